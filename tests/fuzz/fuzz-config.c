/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as config.json of a model: sizes in bounds or an error. */
#include <lb-model-private.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  LbModelConfig config;
  LbArchitecture architecture;
  gboolean read =
      lb_model_config_parse (&config, &architecture, (const char *) data, size, "config.json", &error);

  g_assert_true (read == (error == NULL));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  if (read)
    {
      g_assert_cmpuint (config.width, >, 0);
      g_assert_cmpuint (config.width % config.heads, ==, 0);
      g_assert_cmpfloat (config.epsilon, >, 0);
    }
  return 0;
}
