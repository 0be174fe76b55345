/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Private to this library. Splits text as GPT-2's tokenizer does before it
 * merges bytes, that is by the pattern
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * (Radford et al., 2019, encoder.py), where \s is Unicode's White_Space.
 */

/* Length in bytes of the first piece of @text, valid UTF-8 of @length > 0 bytes. */
gsize lb_pretokenizer_next (const char *text, gsize length);

G_END_DECLS
