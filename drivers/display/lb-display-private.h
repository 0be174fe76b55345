/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-clock.h>
#include <lb-modulator.h>

#include "lb-display-options.h"
#include "lb-display.h"

G_BEGIN_DECLS

/* Takes what @options holds. */
LbDevice *lb_display_modulator_new (LbRole role, LbClock *clock, LbDisplayOptions *options);

G_END_DECLS
