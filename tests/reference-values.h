/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-npy.h>

/* A file of tests/data/reference. */
static inline LbNpy *
read_reference_values (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "reference", name, NULL);
  g_autoptr (GError) error = NULL;
  LbNpy *values = lb_npy_read (path, &error);

  g_assert_no_error (error);
  return values;
}
