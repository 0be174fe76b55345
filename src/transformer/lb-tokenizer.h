/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define LB_TYPE_TOKENIZER (lb_tokenizer_get_type ())
G_DECLARE_FINAL_TYPE (LbTokenizer, lb_tokenizer, LB, TOKENIZER, GObject)

/*
 * Byte-level BPE as GPT-2's (Radford et al., 2019), from vocab.json and
 * merges.txt of @directory. @vocabulary: size of the model's; ids must be below
 * it, and at most 127 of it may be padding. Errors: LB_MODEL_ERROR. May be used
 * from several threads at once.
 */
LbTokenizer *lb_tokenizer_new (const char *directory, guint vocabulary, GError **error);
/*
 * Token ids of @text (UTF-8, @length bytes or -1: up to the first U+0000), as
 * GArray of guint32; special tokens such as <|endoftext|> are text like any
 * other. LB_MODEL_ERROR_TEXT if it is not UTF-8.
 */
GArray *lb_tokenizer_encode (LbTokenizer *self, const char *text, gssize length, GError **error);
/* Text of the tokens; what is not UTF-8 becomes U+FFFD (one for each maximal
 * part of a character, as Python's errors="replace"), and so do U+0000 and ids
 * outside the vocabulary. */
char *lb_tokenizer_decode (LbTokenizer *self, const guint32 *tokens, gsize count);
/* The bytes of the tokens as they are; none for ids outside the vocabulary. */
GBytes *lb_tokenizer_decode_bytes (LbTokenizer *self, const guint32 *tokens, gsize count);
/* A token as it is shown on an axis: spaces as middle dots, control characters
 * as their pictures, bytes that are no character alone as hexadecimal <E2>. */
char *lb_tokenizer_label (LbTokenizer *self, guint32 token);
/* Number of tokens of vocab.json: the largest id and one. */
guint lb_tokenizer_get_size (LbTokenizer *self);

G_END_DECLS
