/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

/* A model with the shape of GPT-2 small (12 layers, d = 768) but for its
 * vocabulary, with random weights, ReLU6 and ranges: what the speed of a forward
 * pass without its head is measured on. */
#define GPT2_SMALL_VOCABULARY 64

/* Writes it into a new temporary folder (340 MB); its name, or NULL. */
char *gpt2_small_write (guint context, GError **error);
/* Removes the folder. */
void gpt2_small_remove (const char *directory);
