/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-console.h"

G_BEGIN_DECLS

/* Catches Ctrl+Period and Escape held for half a second, in the capture phase
 * of every window of the program, those to come included; each means STOP. */
void lb_stop_keys_install (LbConsole *console);

G_END_DECLS
