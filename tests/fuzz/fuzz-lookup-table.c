/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a look-up table: transmissions from 0 to 1 or an error. */
#include <lb-lookup-table.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLookupTable) table = lb_lookup_table_parse ((const char *) data, size, "fuzz.tsv", &error);

  g_assert_true ((table == NULL) == (error != NULL));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  for (guint i = 0; table != NULL && i < table->levels; i++)
    g_assert_true (table->transmission[i] >= 0 && table->transmission[i] <= 1);
  return 0;
}
