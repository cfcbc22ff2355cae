/* The settings of a spec's section "quantize" that say how: quantizers, calibration, epochs. */
#ifndef TAMIS_SEARCH_QUANTIZE_SPEC_H
#define TAMIS_SEARCH_QUANTIZE_SPEC_H

#include "eval/quantize.h"
#include "search/spec.h"

/* Whether the named quantizers and calibration are there and are for what they are named for, and
 * bit widths are possible. All errors in one go. */
bool quantize_spec_check(const struct spec *spec, struct error *error);
/* The settings of a checked spec. */
struct quantize_settings quantize_spec_settings(const struct spec *spec);
/* Whether they suit the space; a sentence that names the setting if not. */
bool quantize_spec_suits(const struct spec *spec, const struct space *space, struct error *error);
/* Steps of fine-tuning on so many images: those of quantize.epochs, else quantize.steps; at most
 * 1e9. */
int quantize_spec_steps(const struct spec *spec, size_t images);

#endif
