/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-calibration.h"

G_BEGIN_DECLS

/* Causes of error, in the order of the shares; the last is interaction: errors
 * that are not independent of each other, and what is not explained. */
#define LB_VERIFICATION_CAUSES 9
/* "shot", "read", ... for machines. */
const char *lb_verification_cause_name (guint cause);

/* Shares of the mean square error of products of @length elements at that light,
 * whose normalised error was @normalised_error, by what the verification says of
 * each cause: between its lengths, with shot noise going with 1 / light and read
 * noise with its square. They add up to 1. FALSE if @verification does not say. */
gboolean lb_verification_find_shares (LbCalibration *verification,
                                      double length,
                                      gboolean is_signed,
                                      double photons_per_mac,
                                      double normalised_error,
                                      double shares[LB_VERIFICATION_CAUSES]);

G_END_DECLS
