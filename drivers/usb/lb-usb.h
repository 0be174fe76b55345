/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-driver.h>

G_BEGIN_DECLS

/* Instruments on USB: light sources (by way of lightbench-light) and power
 * meters. Keys of a setup file: lb-usb.c. */
#define LB_USB_DRIVER "usb"
extern const LbDriver lb_usb_driver;

G_END_DECLS
