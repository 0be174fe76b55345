/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define RENDERER_ARGUMENT "--which-renderer"

/* GTK falls back to cairo without a word where GL does not work; a test of the GL
 * renderer would prove nothing then. Asserts that a window of this environment is drawn
 * by the renderer that GSK_RENDERER names ("cairo", "gl"); asks this program, started
 * with RENDERER_ARGUMENT, whose main() then is renderer_main(). */
void renderer_check (void);
int renderer_main (void);

G_END_DECLS
