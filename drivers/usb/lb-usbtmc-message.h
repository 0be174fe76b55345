/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The headers of USBTMC bulk transfers, as bytes: "Universal Serial Bus Test and
 * Measurement Class Specification (USBTMC)" 1.0 (2003), tables 1, 3, 4 and 9.
 * Pure functions.
 */

#define LB_USBTMC_HEADER 12
/* Bytes of a transfer with so many bytes of message: a multiple of 4. */
#define LB_USBTMC_TRANSFER(length) ((LB_USBTMC_HEADER + (gsize) (length) + 3) & ~(gsize) 3)

/* What a device says of a transfer that it sends. */
typedef struct
{
  guint32 size;  /* bytes of message in it */
  gboolean end;  /* the message ends with it */
  gboolean term; /* it ended at the TermChar */
} LbUsbtmcAnswer;

/* The tag after @tag: 1 to 255, never 0. */
guint8 lb_usbtmc_next_tag (guint8 tag);
/* DEV_DEP_MSG_OUT with @length (at least 1) bytes of a message; @end: the last
 * of it. @transfer has room for LB_USBTMC_TRANSFER (@length), which is returned. */
gsize lb_usbtmc_encode_out (guint8 tag, const guint8 *data, guint32 length, gboolean end, guint8 *transfer);
/* REQUEST_DEV_DEP_MSG_IN for up to @size bytes. @term_char: ends the answer; -1: none. */
void lb_usbtmc_encode_request (guint8 tag, guint32 size, int term_char, guint8 transfer[LB_USBTMC_HEADER]);
/* The header of what came for the request with @tag and @asked bytes. NULL, or
 * what is wrong with it, in English, for the end of a message. */
const char *
lb_usbtmc_decode_in (const guint8 *transfer, gsize length, guint8 tag, guint32 asked, LbUsbtmcAnswer *answer);

G_END_DECLS
