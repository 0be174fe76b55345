/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a USBTMC transfer from an instrument. The first says which tag was
 * asked for, the next two how many bytes; what is accepted agrees with that. */
#include <string.h>

#include <lb-usbtmc-message.h>

#include "fuzz.h"

/* What goes out is read back by the rules for what comes in: only the kind of
 * message differs. */
static void
check_out (uint8_t tag, const uint8_t *data, size_t size)
{
  guint32 length = (guint32) MIN (size, 4096);
  g_autofree guint8 *transfer = g_malloc (LB_USBTMC_TRANSFER (length));
  gsize whole = lb_usbtmc_encode_out (tag, data, length, size % 2 == 0, transfer);
  LbUsbtmcAnswer answer = { 0 };

  g_assert_true (whole == LB_USBTMC_TRANSFER (length) && whole % 4 == 0);
  transfer[0] = 2;
  g_assert_null (lb_usbtmc_decode_in (transfer, whole, tag, length, &answer));
  g_assert_true (answer.size == length && answer.end == (size % 2 == 0));
  g_assert_true (memcmp (transfer + LB_USBTMC_HEADER, data, length) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  LbUsbtmcAnswer answer = { 0 };
  guint32 asked;

  if (size < 4)
    return 0;
  asked = (guint32) (data[1] | data[2] << 8);
  if (lb_usbtmc_decode_in (data + 3, size - 3, data[0], asked, &answer) == NULL)
    {
      g_assert_true (size - 3 >= LB_USBTMC_HEADER && answer.size <= asked);
      g_assert_true (data[4] == data[0] && (data[4] ^ data[5]) == 0xff);
    }
  if (data[0] != 0)
    check_out (data[0], data + 3, size - 3);
  return 0;
}
