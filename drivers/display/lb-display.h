/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>

G_BEGIN_DECLS

/* The row of the table of drivers for planes on monitors. */
extern const LbDriver lb_display_driver;

G_END_DECLS
