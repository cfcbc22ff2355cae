/* The table of settings: one line each. */
#include "search/spec.h"
#include "search/strategy.h"
#include "spaces/cost.h"
#include <limits.h>
#include <math.h>

static const char *const optimizers[] = {"sgd", "adam", "adamw", NULL};
static const char *const schedules[] = {"constant", "cosine",       "step",
                                        "linear",   "cosine_power", NULL};
static const char *const losses[] = {"l1", "l2", "charbonnier", NULL};
static const char *const precisions[] = {"noise", "direct", "none", NULL};
static const char *const noises[] = {"normal", "uniform", NULL};
static const char *const gradients[] = {"straight_through", "detached", NULL};
static const char *const noise_activations[] = {"per_candidate", "per_slot", NULL};
static const char *const entropies[] = {"quantnas", "constant", "linear", NULL};
static const char *const regularizers[] = {"own", "entropy", "l1", "none", NULL};
static const char *const straight_through[] = {"all", "chosen", NULL};
static const char *const neighbours[] = {"first", "best", NULL};
static const char *const smalls[] = {"refuse", "skip", NULL};
static const char *const granularities[] = {"channel", "tensor", NULL};
static const char *const budgets[] = {"supernet", "spec", NULL};
static const char *const origins[] = {"scratch", "supernet", NULL};

#define AT(member) offsetof(struct spec, member)
#define LARGE 1e9

/* One line a setting is easier to read than what the formatter makes of it. */
/* clang-format off */

/* The settings of one training, under `prefix`; the last three are defaults. */
#define TRAINING(prefix, member, RATE, BATCH, PATCH)                                                \
    {prefix ".batch", SPEC_INTEGER, AT(member.batch), 1, 4096, BATCH, NULL,                        \
     "patches in a batch"},                                                                        \
    {prefix ".patch", SPEC_INTEGER, AT(member.patch), 4, 4096, PATCH, NULL,                        \
     "side of a low-resolution patch in pixels"},                                                  \
    {prefix ".loss", SPEC_CHOICE, AT(member.loss), 0, 0, "l1", losses,                             \
     "distance between output and target"},                                                        \
    {prefix ".optimizer", SPEC_CHOICE, AT(member.optimizer), 0, 0, "adam", optimizers,             \
     "optimizer of the weights"},                                                                  \
    {prefix ".learning_rate", SPEC_REAL, AT(member.learning_rate), 1e-9, 10, RATE, NULL,           \
     "step size at the start"},                                                                    \
    {prefix ".weight_decay", SPEC_REAL, AT(member.weight_decay), 0, 1, "3e-8", NULL,               \
     "L2 penalty (decoupled for adamw)"},                                                          \
    {prefix ".momentum", SPEC_REAL, AT(member.momentum), 0, 0.9999, "0.9", NULL,                   \
     "momentum of sgd"},                                                                           \
    {prefix ".beta1", SPEC_REAL, AT(member.beta1), 0, 0.9999, "0.9", NULL,                         \
     "decay of adam's first moment"},                                                              \
    {prefix ".beta2", SPEC_REAL, AT(member.beta2), 0, 0.99999, "0.999", NULL,                      \
     "decay of adam's second moment"},                                                             \
    {prefix ".schedule", SPEC_CHOICE, AT(member.schedule), 0, 0, "cosine", schedules,              \
     "course of the step size"},                                                                   \
    {prefix ".rate_warm_up", SPEC_REAL, AT(member.warm_up), 0, 0.9, "0", NULL,                     \
     "fraction of the steps in which the step size rises from 0"},                                 \
    {prefix ".minimum_rate", SPEC_REAL, AT(member.minimum_rate), 0, 1, "0", NULL,                  \
     "step size at the end, as a fraction of that at the start"},                                  \
    {prefix ".clip", SPEC_REAL, AT(member.clip), 0, LARGE, "5", NULL,                              \
     "largest norm of the gradient; 0: no clipping"},                                              \
    {prefix ".augment", SPEC_BOOLEAN, AT(member.augment), 0, 0, "true", NULL,                      \
     "flips and rotations of patches"}

/* What only the training of one network has. */
#define AVERAGE(prefix, member)                                                                     \
    {prefix ".average", SPEC_REAL, AT(member.average), 0, 0.99999, "0", NULL,                      \
     "decay of the moving average of the weights that is kept as the result; 0: none"}
/* clang-format on */

const struct spec_setting spec_settings[] = {
    {"name", SPEC_TEXT, AT(name), 0, 0, "run", NULL, "name of the run; its folder is runs/<name>"},
    {"out", SPEC_TEXT, AT(out), 0, 0, "", NULL, "run folder, instead of runs/<name>"},
    {"space", SPEC_TEXT, AT(space), 0, 0, "rfdn_small", NULL,
     "a shipped space (`tamis list spaces`) or the path of a space file"},
    {"seed", SPEC_INTEGER, AT(seed), 0, INT_MAX, "1", NULL, "seed of everything random"},
    {"threads", SPEC_INTEGER, AT(threads), 0, 1024, "0", NULL,
     "threads; 0: one for each processor. The results do not depend on it"},
    {"memory_limit", SPEC_BYTES, AT(memory_limit), 0, 1e15, "0", NULL,
     "memory that the process may take while it trains, such as 600 MiB or 2 GB (a number alone: "
     "bytes); what does not fit is computed again; 0: no limit"},
    {"scale", SPEC_INTEGER, AT(scale), 1, 16, "4", NULL, "how many times larger the output is"},

    {"data.train", SPEC_TEXT, AT(data.train), 0, 0, "leaves", NULL,
     "training images: `leaves` (generated), a folder or a picture"},
    {"data.valid", SPEC_TEXT, AT(data.valid), 0, 0, "leaves", NULL,
     "validation images, for choosing; never trained on"},
    {"data.test", SPEC_TEXTS, AT(data.test), 0, 0, "[]", NULL,
     "test sets, for the final table; empty: generated images of their own, or the validation "
     "folder"},
    {"data.train_count", SPEC_INTEGER, AT(data.train_count), 1, 100000, "64", NULL,
     "generated training images"},
    {"data.train_size", SPEC_INTEGER, AT(data.train_size), 16, 4096, "256", NULL,
     "their side in pixels"},
    {"data.valid_count", SPEC_INTEGER, AT(data.valid_count), 1, 100000, "8", NULL,
     "generated validation images"},
    {"data.valid_size", SPEC_INTEGER, AT(data.valid_size), 16, 4096, "192", NULL,
     "their side in pixels"},
    {"data.seed", SPEC_INTEGER, AT(data.seed), -1, INT_MAX, "-1", NULL,
     "seed of generated images; -1: the run's own. `tamis compare` gives all trials the same"},
    {"data.train_limit", SPEC_INTEGER, AT(data.train_limit), 0, LARGE, "0", NULL,
     "use only so many training files; 0: all"},
    {"data.train_small", SPEC_CHOICE, AT(data.train_small), 0, 0, "refuse", smalls,
     "training files smaller than a patch: end with an error, or leave them out"},
    {"data.valid_limit", SPEC_INTEGER, AT(data.valid_limit), 0, LARGE, "0", NULL,
     "use only so many validation files; 0: all"},

    {"search.strategy", SPEC_TEXT, AT(search.strategy), 0, 0, "quantnas", NULL,
     "search strategy (`tamis list strategies`)"},
    {"search.epochs", SPEC_INTEGER, AT(search.epochs), 1, 100000, "20", NULL,
     "epochs of the search"},
    {"search.steps_per_epoch", SPEC_INTEGER, AT(search.steps_per_epoch), 1, LARGE, "100", NULL,
     "steps in an epoch; a step trains alpha on one half of the images, then the weights on the "
     "other"},
    {"search.warm_up", SPEC_INTEGER, AT(search.warm_up), 0, 100000, "9", NULL,
     "epochs at the start in which alpha is frozen"},
    {"search.quantization", SPEC_CHOICE, AT(search.precision), 0, 0, "noise", precisions,
     "how bit widths are mixed: quantization noise, or the quantizers themselves; none: in 32 "
     "bits, "
     "so that only the BitOps penalty tells bit widths apart"},
    {"search.noise", SPEC_CHOICE, AT(search.noise), 0, 0, "normal", noises,
     "distribution of the noise"},
    {"search.noise_gradient", SPEC_CHOICE, AT(search.noise_gradient), 0, 0, "straight_through",
     gradients, "`detached` is what the released QuantNAS code does"},
    {"search.noise_activations", SPEC_CHOICE, AT(search.noise_activations), 0, 0, "per_slot",
     noise_activations,
     "noise on the input of a slot: each candidate and bit width draws its own, or one draw for "
     "all of the slot, so that its convolutions can be merged into one"},
    {"search.merge", SPEC_BOOLEAN, AT(search.merge), 0, 0, "true", NULL,
     "run the convolutions of a slot that read the same input as one convolution of the summed "
     "kernels; the same results up to rounding"},
    {"search.cost", SPEC_CHOICE, AT(search.cost), 0, 0, "bitops", cost_kind_names,
     "the cost that counts in the search"},
    {"search.latency", SPEC_TEXTS, AT(search.latency), 0, 0, "[]", NULL,
     "tables of latencies, as `tamis eval --latency` writes them, for the cost latency; rows of "
     "the "
     "same operation are added up"},
    {"search.cost_penalty", SPEC_REAL, AT(search.cost_penalty), 0, 1000, "1e-3", NULL,
     "weight of the expected cost, relative to its value at the start, in alpha's loss; for "
     "black-box strategies of an architecture's cost, relative to the mean of random ones"},
    {"search.limit", SPEC_REAL, AT(search.limit), 0, INFINITY, "0", NULL,
     "the most that the network found may cost, of the kind that search.cost names, for an image "
     "of cost.height x cost.width; 0: no limit"},
    {"search.entropy_penalty", SPEC_REAL, AT(search.entropy_penalty), 0, 1000, "1e-3", NULL,
     "weight of the regularizer in alpha's loss"},
    {"search.entropy_schedule", SPEC_CHOICE, AT(search.entropy_schedule), 0, 0, "quantnas",
     entropies, "course of the entropy penalty after the warm-up"},
    {"search.regularizer", SPEC_CHOICE, AT(search.regularizer), 0, 0, "own", regularizers,
     "of differentiable strategies: the sum of the slots' entropies, the sum of |alpha|, or none; "
     "own: what the strategy's paper has"},
    {"search.straight_through", SPEC_CHOICE, AT(search.straight_through), 0, 0, "all",
     straight_through,
     "gdas: which candidates an alpha step runs for the gradients of their weights; `chosen` is "
     "the "
     "paper's"},
    {"search.darts_order", SPEC_INTEGER, AT(search.darts_order), 1, 2, "1", NULL,
     "darts: gradient of alpha at the present weights, or through the next step of the weights "
     "(2), which takes four passes instead of one"},
    {"search.unrolled_rate", SPEC_REAL, AT(search.unrolled_rate), 0, 1000, "0", NULL,
     "darts of second order: length of that step, as a multiple of the gradient; 0: the step size "
     "of the weights"},
    {"search.channel_parts", SPEC_INTEGER, AT(search.channel_parts), 1, 64, "4", NULL,
     "pc_darts: one in so many channels of a slot is mixed, the others pass by"},
    {"search.temperature", SPEC_REAL, AT(search.temperature), 0, 1000, "0", NULL,
     "temperature of Gumbel draws in the first alpha step; 0: the strategy's own"},
    {"search.temperature_end", SPEC_REAL, AT(search.temperature_end), 0, 1000, "0", NULL,
     "the same in the last step; between them it changes linearly"},
    {"search.alpha_learning_rate", SPEC_REAL, AT(search.alpha_learning_rate), 1e-9, 10, "3e-4",
     NULL, "step size of alpha (Adam)"},
    {"search.alpha_beta1", SPEC_REAL, AT(search.alpha_beta1), 0, 0.9999, "0.5", NULL,
     "decay of Adam's first moment for alpha"},
    {"search.alpha_beta2", SPEC_REAL, AT(search.alpha_beta2), 0, 0.99999, "0.999", NULL,
     "decay of Adam's second moment for alpha"},
    {"search.alpha_weight_decay", SPEC_REAL, AT(search.alpha_weight_decay), 0, 1, "0", NULL,
     "L2 penalty on alpha"},
    {"search.alpha_deviation", SPEC_REAL, AT(search.alpha_deviation), 0, 10, "1e-3", NULL,
     "standard deviation of alpha at the start"},
    {"search.trials", SPEC_INTEGER, AT(search.trials), 1, 100000, "8", NULL,
     "architectures that a black-box strategy trains; successive_halving trains more of them for "
     "fewer steps, as many steps in all"},
    {"search.trial_steps", SPEC_INTEGER, AT(search.trial_steps), 1, LARGE, "200", NULL,
     "training steps of each of them; of successive_halving in the last round"},
    {"search.path_steps", SPEC_INTEGER, AT(search.path_steps), 0, LARGE, "0", NULL,
     "training steps of a supernet that runs a single path in each (spos, rs_ws); 0: search.epochs "
     "x search.steps_per_epoch"},
    {"search.ratings", SPEC_INTEGER, AT(search.ratings), 1, 100000, "200", NULL,
     "architectures that these rate with its weights"},
    {"search.population", SPEC_INTEGER, AT(search.population), 0, 100000, "0", NULL,
     "architectures that an evolutionary strategy keeps; 0: the strategy's own"},
    {"search.tournament", SPEC_INTEGER, AT(search.tournament), 0, 100000, "0", NULL,
     "architectures drawn of which the best is a parent; 0: the strategy's own"},
    {"search.neighbours", SPEC_CHOICE, AT(search.neighbours), 0, 0, "first", neighbours,
     "local_search: move to the first better neighbour, or to the best when all are rated"},
    {"search.rounds", SPEC_INTEGER, AT(search.rounds), 1, 20, "3", NULL,
     "successive_halving: rounds of equal budget"},
    {"search.halving", SPEC_INTEGER, AT(search.halving), 2, 100, "3", NULL,
     "successive_halving: factor between the steps of one round and the next; one in so many "
     "architectures stays"},
    {"search.max_seconds", SPEC_REAL, AT(search.max_seconds), 0, LARGE, "0", NULL,
     "end the search after so many seconds; 0: no limit (a limit in seconds does not reproduce)"},
    {"search.max_macs", SPEC_REAL, AT(search.max_macs), 0, INFINITY, "0", NULL,
     "end the search after so many multiply-accumulates; 0: no limit. Black-box strategies train "
     "as many architectures as it holds, whatever search.trials says; those of single paths shorten "
     "training and ratings alike"},
    TRAINING("search", search.weights, "1e-3", "16", "32"),

    {"retrain.steps", SPEC_INTEGER, AT(retrain.steps), 1, LARGE, "2000", NULL, "training steps"},
    {"retrain.from", SPEC_CHOICE, AT(retrain_from), 0, 0, "scratch", origins,
     "initial weights of the derived network"},
    TRAINING("retrain", retrain, "1e-3", "16", "48"),
    AVERAGE("retrain", retrain),

    {"quantize.steps", SPEC_INTEGER, AT(quantize.steps), 0, LARGE, "500", NULL,
     "steps of quantization-aware fine-tuning; 0: calibration alone"},
    {"quantize.epochs", SPEC_INTEGER, AT(quantization.epochs), -1, 100000, "-1", NULL,
     "instead of quantize.steps: passes over the training images, a patch of each; -1: as "
     "quantize.steps says"},
    {"quantize.weights", SPEC_TEXT, AT(quantization.weights), 0, 0, "own", NULL,
     "quantizer of weights (`tamis list quantizers`); own: lsq"},
    {"quantize.activations", SPEC_TEXT, AT(quantization.activations), 0, 0, "own", NULL,
     "quantizer of activations; own: the one that the space names"},
    {"quantize.calibration", SPEC_TEXT, AT(quantization.calibration), 0, 0, "own", NULL,
     "how the first ranges are found: min_max, percentile, least_squares, or equalized (channels "
     "brought to like importance before); own: as each quantizer's paper says"},
    {"quantize.percentile", SPEC_REAL, AT(quantization.percentile), 50, 100, "99.99", NULL,
     "of the calibration by percentile: this share of the values lies within the range, in "
     "percent on each side"},
    {"quantize.granularity", SPEC_CHOICE, AT(quantization.granularity), 0, 0, "channel",
     granularities, "one range for each output channel of a weight, or one for the whole tensor"},
    {"quantize.all_bits", SPEC_INTEGER, AT(quantization.all_bits), 0, 16, "0", NULL,
     "bit width of every convolution, also of those that the space fixes or leaves in 32; 0: as "
     "the architecture says"},
    {"quantize.bits", SPEC_INTEGERS, AT(quantize_bits), 2, 16, "[]", NULL,
     "uniform bit widths that the searched network is quantized to besides those it was given"},
    {"quantize.calibration_batches", SPEC_INTEGER, AT(calibration_batches), 1, 10000, "8", NULL,
     "batches that activation quantizers and batch-norm statistics are calibrated on"},
    TRAINING("quantize", quantize, "2e-4", "16", "48"),
    AVERAGE("quantize", quantize),

    {"baselines.fixed", SPEC_BOOLEAN, AT(baseline_fixed), 0, 0, "true", NULL,
     "retrain and quantize the best fixed architecture (one candidate everywhere) too"},
    {"baselines.bits", SPEC_INTEGERS, AT(baseline_bits), 2, 8, "[4, 8]", NULL,
     "uniform bit widths of the fixed architecture"},

    {"compare.strategies", SPEC_TEXTS, AT(compare.strategies), 0, 0, "[quantnas]", NULL,
     "what `tamis compare` runs; `random` is always added"},
    {"compare.seeds", SPEC_INTEGER, AT(compare.seeds), 1, 1000, "3", NULL,
     "trials of each strategy, with the seeds `seed`, `seed` + 1, ..."},
    {"compare.budget", SPEC_CHOICE, AT(compare.budget), 0, 0, "supernet", budgets,
     "what black-box strategies may spend where search.max_macs does not say it: as many "
     "multiply-accumulates as a supernet with all candidates takes in search.epochs, if a strategy "
     "with one is compared; or what search.trials says"},
    {"compare.processes", SPEC_INTEGER, AT(compare.processes), 0, 1024, "0", NULL,
     "trials at a time; 0: one for each thread, if the memory holds them"},
    {"compare.reference_psnr", SPEC_REAL, AT(compare.reference_psnr), 0, 200, "0", NULL,
     "reference point of the hypervolume; 0: the PSNR of bicubic"},
    {"compare.reference_bitops", SPEC_REAL, AT(compare.reference_bitops), 0, INFINITY, "0", NULL,
     "the same in BitOps; 0: those of the largest architecture of the space"},

    {"rank.strategies", SPEC_TEXTS, AT(rank.strategies), 0, 0, "[quantnas]", NULL,
     "strategies whose supernets `tamis rank` rates architectures with; [] trains them only"},
    {"rank.proxies", SPEC_TEXTS, AT(rank.proxies), 0, 0, "[parameters]", NULL,
     "ratings without training beside them (`tamis list proxies`)"},
    {"rank.architectures", SPEC_INTEGER, AT(rank.architectures), 0, 100000, "20", NULL,
     "different architectures, drawn uniformly; 0: all of the space"},
    {"rank.seeds", SPEC_INTEGER, AT(rank.seeds), 1, 1000, "1", NULL,
     "seeds that each is trained with; their mean counts"},
    {"rank.processes", SPEC_INTEGER, AT(rank.processes), 0, 1024, "0", NULL,
     "trainings at a time; 0: one for each thread, if the memory holds them"},

    {"cost.height", SPEC_INTEGER, AT(cost_height), 16, 65536, "720", NULL,
     "rows of the high-resolution image that costs are stated for; the low-resolution one is "
     "rounded down"},
    {"cost.width", SPEC_INTEGER, AT(cost_width), 16, 65536, "1280", NULL, "its columns"},
    {"report.crops", SPEC_INTEGER, AT(crops), 0, 64, "4", NULL, "images shown in the report"},
    {"report.crop_size", SPEC_INTEGER, AT(crop_size), 16, 4096, "128", NULL,
     "side of the crop shown, in high-resolution pixels"},
    {"checkpoint.interval", SPEC_REAL, AT(checkpoint_interval), 0, LARGE, "60", NULL,
     "seconds between checkpoints"},
    {"checkpoint.steps", SPEC_INTEGER, AT(checkpoint_steps), 1, LARGE, "20", NULL,
     "steps between points that a run can be rolled back to; checkpoints are made at these"},
    {"checkpoint.rollbacks", SPEC_INTEGER, AT(max_rollbacks), 0, 100, "3", NULL,
     "how often a stage may be rolled back after a loss that is not finite"},
    {"log.every", SPEC_INTEGER, AT(log_every), 1, LARGE, "10", NULL,
     "steps between events of the journal"},
};
const int spec_setting_count = (int)(sizeof spec_settings / sizeof spec_settings[0]);
