/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"
#include "lb-setup.h"

G_BEGIN_DECLS

/*
 * A conformance test of one device, simulated or real: does it keep what its
 * interface says? For somebody with hardware that nobody else has, to report back.
 * Light is switched on at level 0 only, which gives none.
 */

/* One point. @point: its name, fixed, for machines. @failure: NULL, it passed. */
typedef void (*LbSelfTestFunc) (const char *point, const GError *failure, gpointer data);

/* Tests @device, which is closed before and after. No bench may hold it. @report is
 * called for each point; what needs an open device is left out if it does not open.
 * Returns whether all points passed; FALSE also if cancelled. */
gboolean lb_self_test_run (LbDevice *device, LbSelfTestFunc report, gpointer data, GCancellable *cancellable);

/* Somebody is to unplug the device, or to plug it in again. */
typedef void (*LbSelfTestAskFunc) (gboolean plug_in, gpointer data);

/* The part for which somebody pulls the plug: it notices, and comes back. */
gboolean lb_self_test_run_unplug (
    LbDevice *device, LbSelfTestAskFunc ask, LbSelfTestFunc report, gpointer data, GCancellable *cancellable);

G_END_DECLS
