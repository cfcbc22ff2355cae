#include "eval/image_codec.h"

#include "core/memory.h"
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* Progressive files may hold any number of scans over the whole picture; honest ones have about 10.
 */
enum { MAX_SCANS = 200 };

/* Everything that must survive the jump out of libjpeg on an error lives here. */
struct jpeg_work {
    struct jpeg_error_mgr errors; /* first: libjpeg hands back a pointer to it */
    jmp_buf escape;
    struct jpeg_decompress_struct decoder;
    struct jpeg_progress_mgr progress;
    struct image *image;
    char reason[JMSG_LENGTH_MAX];
};

static _Noreturn void give_up(j_common_ptr decoder) {
    struct jpeg_work *work = (struct jpeg_work *)decoder->err;
    decoder->err->format_message(decoder, work->reason);
    longjmp(work->escape, 1);
}

/* libjpeg only warns when data is missing or makes no sense, and goes on with gray. That is no
 * picture to train on or to measure with; the warnings below are about harmless things. */
static void judge_warning(j_common_ptr decoder, int level) {
    if (level >= 0) return;
    int code = decoder->err->msg_code;
    if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    give_up(decoder);
}

static void print_nothing(j_common_ptr decoder) {
    (void)decoder;
}

static void limit_scans(j_common_ptr decoder) {
    struct jpeg_work *work = (struct jpeg_work *)decoder->err;
    if (work->decoder.input_scan_number <= MAX_SCANS) return;
    strncpy(work->reason, "it has too many scans", sizeof work->reason - 1);
    longjmp(work->escape, 1);
}

/* Runs inside the setjmp of its caller; returns false with a sentence added, or jumps. */
static bool decode(struct jpeg_work *work, const char *path, const unsigned char *data, size_t size,
                   struct error *error) {
    struct jpeg_decompress_struct *decoder = &work->decoder;
    jpeg_create_decompress(decoder);
    work->progress.progress_monitor = limit_scans;
    decoder->progress = &work->progress;
    jpeg_mem_src(decoder, data, (unsigned long)size);
    jpeg_read_header(decoder, TRUE);
    if (!image_check_size(path, decoder->image_width, decoder->image_height, error)) return false;
    if (decoder->jpeg_color_space == JCS_CMYK || decoder->jpeg_color_space == JCS_YCCK)
        return error_add(error, ERROR_DATA,
                         "%s: CMYK pictures are not supported; convert it to RGB", path);
    int channels = decoder->jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
    decoder->out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    decoder->dct_method = JDCT_ISLOW; /* the accurate one, the same on every machine */
    jpeg_start_decompress(decoder);
    *work->image = image_create((int)decoder->output_width, (int)decoder->output_height, channels);
    size_t row_bytes = (size_t)decoder->output_width * (size_t)channels;
    while (decoder->output_scanline < decoder->output_height) {
        JSAMPROW row = work->image->pixels + (size_t)decoder->output_scanline * row_bytes;
        jpeg_read_scanlines(decoder, &row, 1);
    }
    jpeg_finish_decompress(decoder);
    return true;
}

/* Apart, and without variables of its own that the jump could spoil. */
static bool try_decode(struct jpeg_work *work, const char *path, const unsigned char *data,
                       size_t size, struct error *error) {
    if (setjmp(work->escape) != 0)
        return error_add(error, ERROR_DATA, "%s: the JPEG is broken: %s", path, work->reason);
    return decode(work, path, data, size, error);
}

bool image_decode_jpeg(const char *path, const unsigned char *data, size_t size,
                       struct image *image, struct error *error) {
    struct jpeg_work work = {.image = image};
    work.decoder.err = jpeg_std_error(&work.errors);
    work.errors.error_exit = give_up;
    work.errors.emit_message = judge_warning;
    work.errors.output_message = print_nothing;
    bool good = try_decode(&work, path, data, size, error);
    jpeg_destroy_decompress(&work.decoder);
    return good;
}
