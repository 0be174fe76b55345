/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a .npy file: an array or an error. */
#include <lb-npy.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbNpy) npy = lb_npy_parse (data, size, "fuzz.npy", &error);
  g_autoptr (LbMatrix) matrix = NULL;

  g_assert_true ((npy == NULL) == (error != NULL));
  if (npy != NULL)
    matrix = lb_npy_to_matrix (npy, NULL);
  if (matrix != NULL)
    lb_matrix_is_finite (matrix);
  return 0;
}
