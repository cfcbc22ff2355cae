/*
 * Networks of the literature, written as space files, have the parameters and multiply-adds of
 * their papers (scale 4, an HR image of 1280 x 720 unless said otherwise), to the digits printed
 * there. Where a paper counts differently, the case says how; docs/published-networks.md has the
 * table.
 */
#include "spaces/architecture.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* LR and HR pixels of the input size, and LR pixels behind ESA's strided convolution and pooling.
 */
enum { LR = 320 * 180, HR = 1280 * 720, STRIDED = 159 * 89, POOLED = 51 * 28, LR_256 = 256 * 256 };

struct published {
    const char *space;
    int height, width;                 /* of the LR image; 0: 180 x 320 */
    double parameters, macs;           /* exactly, as we count */
    double more_parameters, more_macs; /* what the paper counts besides, or leaves out (negative) */
    /* The printed digits: from .. below, in thousands and in 1e9. */
    double from_parameters, below_parameters, from_macs, below_macs;
};

static const struct published cases[] = {
    {.space = "srcnn",
     .parameters = 57281,
     .macs = 57184.0 * HR,
     .from_parameters = 56.5,
     .below_parameters = 57.5,
     .from_macs = 52.65,
     .below_macs = 52.75},
    /* Published without biases and slopes; its multiply-adds as if every weight of the transposed
     * convolution met every HR pixel. The paper prints the weights exactly. */
    {.space = "fsrcnn",
     .parameters = 12809,
     .macs = 12464.0 * LR,
     .more_parameters = -(173 + 172),
     .more_macs = 56.0 * 81 * (HR - LR),
     .from_parameters = 12.464,
     .below_parameters = 12.465,
     .from_macs = 4.55,
     .below_macs = 4.65},
    /* The paper prints no counts; those of its layers. */
    {.space = "espcn",
     .parameters = 24640 + 64 + 32 + 16,
     .macs = 24640.0 * LR,
     .from_parameters = 24.752,
     .below_parameters = 24.753,
     .from_macs = 1.41,
     .below_macs = 1.42},
    /* Without biases. */
    {.space = "vdsr",
     .parameters = 664704 + 19 * 64 + 1,
     .macs = 664704.0 * HR,
     .more_parameters = -(19 * 64 + 1),
     .from_parameters = 664.5,
     .below_parameters = 665.5,
     .from_macs = 612.55,
     .below_macs = 612.65},
    /* Without biases, batch norms and slopes. */
    {.space = "srresnet",
     .parameters = 1542528 + 64 + 2 * 256 + 3 + 33 * 128 + 1 + 16 + 2,
     .macs = (15552.0 + 33 * 36864 + 147456) * LR + 147456.0 * 4 * LR + 15552.0 * HR,
     .more_parameters = -(64 + 2 * 256 + 3 + 33 * 128 + 1 + 16 + 2),
     .from_parameters = 1542.5,
     .below_parameters = 1543.5,
     .from_macs = 127.75,
     .below_macs = 127.85},
    {.space = "edsr_published",
     .parameters = 1517571,
     .macs = (1728.0 + 33 * 36864 + 147456) * LR + 147456.0 * 4 * LR + 1728.0 * HR,
     .from_parameters = 1517.5,
     .below_parameters = 1518.5,
     .from_macs = 113.5,
     .below_macs = 114.5},
    /* Published with the enlarging layers for the scales 2 and 3 as well. */
    {.space = "carn",
     .parameters = 1111875,
     .macs = (812736.0 + 147456) * LR + 147456.0 * 4 * LR + 1728.0 * HR,
     .more_parameters = 147712 + 332352,
     .from_parameters = 1591.5,
     .below_parameters = 1592.5,
     .from_macs = 90.85,
     .below_macs = 90.95},
    /* Both counts with the attention's convolutions of one pixel. */
    {.space = "imdn_published",
     .parameters = 715176,
     .macs = 709824.0 * LR + 6 * 512.0,
     .from_parameters = 714.5,
     .below_parameters = 715.5,
     .from_macs = 40.85,
     .below_macs = 40.95},
    /* Published without the four 3x3 convolutions that ESA has at low resolution, and cut to
     * thousands. */
    {.space = "rfdn_paper",
     .parameters = 581952,
     .macs = 548208.0 * LR + 6 * 1296.0 * (STRIDED + 3 * POOLED),
     .more_parameters = -6 * 4 * 1308,
     .more_macs = -6 * 1296.0 * (STRIDED + 3 * POOLED),
     .from_parameters = 550,
     .below_parameters = 551,
     .from_macs = 31.55,
     .below_macs = 31.65},
    /* The challenge's 27.10 G count an operation for each element of a LeakyReLU too: 250 channels
     * in each of four blocks and 50 behind them. */
    {.space = "rfdn_published",
     .height = 256,
     .width = 256,
     .parameters = 433448,
     .macs = 410826.0 * LR_256 + 4 * 1296.0 * (127 * 127 + 3 * 41 * 41),
     .more_macs = (4.0 * 250 + 50) * LR_256,
     .from_parameters = 433.448,
     .below_parameters = 433.449,
     .from_macs = 27.095,
     .below_macs = 27.105},
    {.space = "pan",
     .parameters = 272419,
     .macs = 245880.0 * LR + 14400.0 * 4 * LR + 11592.0 * HR,
     .from_parameters = 271.5,
     .below_parameters = 272.5,
     .from_macs = 28.15,
     .below_macs = 28.25},
    /* Published with an addition for each value of the 200 means over all pixels. */
    {.space = "rcan",
     .parameters = 15592355,
     .macs = (15152832.0 + 147456) * LR + 147456.0 * 4 * LR + 1728.0 * HR + 200 * 512.0,
     .more_macs = 200.0 * 64 * LR,
     .from_parameters = 15591.5,
     .below_parameters = 15592.5,
     .from_macs = 917.55,
     .below_macs = 917.65},
    /* The paper's 897 K are without the convolution behind the groups; 63.6 G is what the field's
     * tables print: rows filled up to whole windows of 8, and five operations for each normalized
     * value. */
    {.space = "swinir_light",
     .parameters = 929628,
     .macs = 1065060.0 * LR,
     .more_parameters = -32460,
     .more_macs = 1065060.0 * (320 * 184 - LR) + 5.0 * 50 * 60 * 320 * 184,
     .from_parameters = 896.5,
     .below_parameters = 897.5,
     .from_macs = 63.55,
     .below_macs = 63.65},
};

static void published_networks_have_the_counts_of_their_papers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct published *at = &cases[i];
        struct space *space = shipped_space(at->space, 4, NULL);
        assert_true(space_size(space) == 1);
        struct cost_model *model = cost_model_create(space, at->height ? at->height : 180,
                                                     at->width ? at->width : 320, NULL);
        struct architecture *architecture = architecture_create(space);
        struct cost cost = cost_of(model, architecture, false);
        double printed_parameters = (cost.parameters + at->more_parameters) / 1e3;
        double printed_macs = (cost.macs + at->more_macs) / 1e9;
        bool good = cost.parameters == at->parameters && cost.macs == at->macs &&
                    cost.bitops == cost.macs * 1024 && printed_parameters >= at->from_parameters &&
                    printed_parameters < at->below_parameters && printed_macs >= at->from_macs &&
                    printed_macs < at->below_macs;
        if (!good) {
            fail_msg("%s: %.0f parameters (wanted %.0f, printed %.3f), %.0f MACs (wanted %.0f, "
                     "printed %.3f)",
                     at->space, cost.parameters, at->parameters, printed_parameters, cost.macs,
                     at->macs, printed_macs);
        }
        architecture_free(architecture);
        cost_model_free(model);
        space_free(space);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_networks_have_the_counts_of_their_papers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
