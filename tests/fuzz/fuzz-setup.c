/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a setup file: a setup or an error. */
#include <lb-setup.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = NULL;

  if (data == NULL)
    return 0;
  setup = lb_setup_parse ((const char *) data, (gssize) size, "fuzz.json", LB_FIDELITY_PIXEL, &error);
  g_assert_true ((setup == NULL) == (error != NULL));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  return 0;
}
