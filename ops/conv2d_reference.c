/* Convolution in plain loops with sums in double precision: slow, and the judge of the fast
 * kernels. */
#include "ops/conv2d_kernel.h"

static int round_up_8(int count) {
    return (count + 7) / 8 * 8;
}

static size_t pixel_index(int image, int y, int x, int height, int width) {
    return ((size_t)image * (size_t)height + (size_t)y) * (size_t)width + (size_t)x;
}

static const float *input_pixel(const struct conv2d_shape *s, const float *input, int image, int y,
                                int x) {
    return input + pixel_index(image, y, x, s->height, s->width) * (size_t)s->in_pitch;
}

static const float *output_pixel(const struct conv2d_shape *s, const float *output, int image,
                                 int y, int x) {
    return output + pixel_index(image, y, x, s->out_height, s->out_width) * (size_t)s->out_pitch;
}

/* Position of weight [out][ky][kx][in] with `in` counted inside its group. */
static size_t weight_index(const struct conv2d_shape *s, int out, int ky, int kx, int in) {
    int in_per_group = s->in_channels / s->groups;
    return (((size_t)out * (size_t)s->kernel_h + (size_t)ky) * (size_t)s->kernel_w + (size_t)kx) *
               (size_t)in_per_group +
           (size_t)in;
}

/* The input row or column that tap `tap` of output `position` reads; may lie outside. */
static int tap_source(int position, int tap, int stride, int pad, int dilation) {
    return position * stride - pad + tap * dilation;
}

static double forward_element(const struct conv2d_shape *s, const float *input, const float *weight,
                              int image, int y, int x, int out) {
    int in_per_group = s->in_channels / s->groups;
    int first_in = out / (s->out_channels / s->groups) * in_per_group;
    double sum = 0;
    for (int ky = 0; ky < s->kernel_h; ky++) {
        int iy = tap_source(y, ky, s->stride, s->pad_h, s->dilation);
        if (iy < 0 || iy >= s->height) continue;
        for (int kx = 0; kx < s->kernel_w; kx++) {
            int ix = tap_source(x, kx, s->stride, s->pad_w, s->dilation);
            if (ix < 0 || ix >= s->width) continue;
            const float *pixel = input_pixel(s, input, image, iy, ix) + first_in;
            const float *tap = weight + weight_index(s, out, ky, kx, 0);
            for (int in = 0; in < in_per_group; in++)
                sum += (double)pixel[in] * (double)tap[in];
        }
    }
    return sum;
}

void conv2d_forward_reference(const struct conv2d_shape *s, const float *input, const float *weight,
                              const float *bias, float *output, bool accumulate) {
    for (int image = 0; image < s->batch; image++)
        for (int y = 0; y < s->out_height; y++)
            for (int x = 0; x < s->out_width; x++) {
                float *pixel = output + pixel_index(image, y, x, s->out_height, s->out_width) *
                                            (size_t)s->out_pitch;
                for (int out = 0; out < s->out_channels; out++) {
                    double sum = forward_element(s, input, weight, image, y, x, out);
                    sum += bias ? (double)bias[out] : 0.0;
                    pixel[out] = (float)(sum + (accumulate ? (double)pixel[out] : 0.0));
                }
                for (int pad = s->out_channels; pad < round_up_8(s->out_channels); pad++)
                    pixel[pad] = 0;
            }
}

static double backward_data_element(const struct conv2d_shape *s, const float *grad_output,
                                    const float *weight, int image, int y, int x, int in) {
    int in_per_group = s->in_channels / s->groups;
    int out_per_group = s->out_channels / s->groups;
    int group = in / in_per_group;
    double sum = 0;
    for (int ky = 0; ky < s->kernel_h; ky++) {
        int sy = y + s->pad_h - ky * s->dilation;
        if (sy < 0 || sy % s->stride != 0 || sy / s->stride >= s->out_height) continue;
        for (int kx = 0; kx < s->kernel_w; kx++) {
            int sx = x + s->pad_w - kx * s->dilation;
            if (sx < 0 || sx % s->stride != 0 || sx / s->stride >= s->out_width) continue;
            const float *pixel =
                output_pixel(s, grad_output, image, sy / s->stride, sx / s->stride);
            for (int o = 0; o < out_per_group; o++) {
                int out = group * out_per_group + o;
                sum += (double)pixel[out] *
                       (double)weight[weight_index(s, out, ky, kx, in % in_per_group)];
            }
        }
    }
    return sum;
}

void conv2d_backward_data_reference(const struct conv2d_shape *s, const float *grad_output,
                                    const float *weight, float *grad_input, bool accumulate) {
    for (int image = 0; image < s->batch; image++)
        for (int y = 0; y < s->height; y++)
            for (int x = 0; x < s->width; x++) {
                float *pixel = grad_input +
                               pixel_index(image, y, x, s->height, s->width) * (size_t)s->in_pitch;
                for (int in = 0; in < s->in_channels; in++) {
                    double sum = backward_data_element(s, grad_output, weight, image, y, x, in);
                    pixel[in] = (float)(sum + (accumulate ? (double)pixel[in] : 0.0));
                }
                for (int pad = s->in_channels; pad < round_up_8(s->in_channels); pad++)
                    pixel[pad] = 0;
            }
}

static double backward_weight_element(const struct conv2d_shape *s, const float *input,
                                      const float *grad_output, int out, int ky, int kx, int in) {
    int first_in = out / (s->out_channels / s->groups) * (s->in_channels / s->groups);
    double sum = 0;
    for (int image = 0; image < s->batch; image++)
        for (int y = 0; y < s->out_height; y++) {
            int iy = tap_source(y, ky, s->stride, s->pad_h, s->dilation);
            if (iy < 0 || iy >= s->height) continue;
            for (int x = 0; x < s->out_width; x++) {
                int ix = tap_source(x, kx, s->stride, s->pad_w, s->dilation);
                if (ix < 0 || ix >= s->width) continue;
                sum += (double)input_pixel(s, input, image, iy, ix)[first_in + in] *
                       (double)output_pixel(s, grad_output, image, y, x)[out];
            }
        }
    return sum;
}

void conv2d_backward_weight_reference(const struct conv2d_shape *s, const float *input,
                                      const float *grad_output, float *grad_weight,
                                      float *grad_bias) {
    int in_per_group = s->in_channels / s->groups;
    for (int out = 0; out < s->out_channels; out++) {
        for (int ky = 0; ky < s->kernel_h; ky++)
            for (int kx = 0; kx < s->kernel_w; kx++)
                for (int in = 0; in < in_per_group; in++)
                    grad_weight[weight_index(s, out, ky, kx, in)] +=
                        (float)backward_weight_element(s, input, grad_output, out, ky, kx, in);
        if (!grad_bias) continue;
        double sum = 0;
        for (int image = 0; image < s->batch; image++)
            for (int y = 0; y < s->out_height; y++)
                for (int x = 0; x < s->out_width; x++)
                    sum += (double)output_pixel(s, grad_output, image, y, x)[out];
        grad_bias[out] += (float)sum;
    }
}
