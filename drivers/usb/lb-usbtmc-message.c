/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-usbtmc-message.h"

#include <string.h>

#include <glib/gi18n-lib.h>

enum
{
  DEV_DEP_MSG_OUT = 1,
  REQUEST_DEV_DEP_MSG_IN = 2,
  DEV_DEP_MSG_IN = 2,
};

/* Bits of bmTransferAttributes. */
#define ATTRIBUTE_EOM 1
#define ATTRIBUTE_TERM_CHAR 2

static void
put_header (guint8 *transfer, guint8 message, guint8 tag, guint32 size)
{
  memset (transfer, 0, LB_USBTMC_HEADER);
  transfer[0] = message;
  transfer[1] = tag;
  transfer[2] = (guint8) ~tag;
  for (guint i = 0; i < 4; i++)
    transfer[4 + i] = (guint8) (size >> (8 * i));
}

guint8
lb_usbtmc_next_tag (guint8 tag)
{
  return tag == 255 ? 1 : (guint8) (tag + 1);
}

gsize
lb_usbtmc_encode_out (guint8 tag, const guint8 *data, guint32 length, gboolean end, guint8 *transfer)
{
  gsize whole = LB_USBTMC_TRANSFER (length);

  g_return_val_if_fail (length > 0, 0);

  put_header (transfer, DEV_DEP_MSG_OUT, tag, length);
  transfer[8] = end ? ATTRIBUTE_EOM : 0;
  memcpy (transfer + LB_USBTMC_HEADER, data, length);
  memset (transfer + LB_USBTMC_HEADER + length, 0, whole - LB_USBTMC_HEADER - length);
  return whole;
}

void
lb_usbtmc_encode_request (guint8 tag, guint32 size, int term_char, guint8 transfer[LB_USBTMC_HEADER])
{
  put_header (transfer, REQUEST_DEV_DEP_MSG_IN, tag, size);
  if (term_char < 0)
    return;
  transfer[8] = ATTRIBUTE_TERM_CHAR;
  transfer[9] = (guint8) term_char;
}

const char *
lb_usbtmc_decode_in (const guint8 *transfer, gsize length, guint8 tag, guint32 asked, LbUsbtmcAnswer *answer)
{
  guint32 size = 0;

  if (length < LB_USBTMC_HEADER)
    return N_ ("it is shorter than a header");
  if (transfer[0] != DEV_DEP_MSG_IN)
    return N_ ("it is not an answer");
  if ((transfer[1] ^ transfer[2]) != 0xff)
    return N_ ("its tag and the complement of it do not agree");
  if (transfer[1] != tag)
    return N_ ("it answers another request");
  for (guint i = 0; i < 4; i++)
    size |= (guint32) transfer[4 + i] << (8 * i);
  if (size > asked)
    return N_ ("it is longer than was asked for");
  *answer = (LbUsbtmcAnswer){
    .size = size,
    .end = (transfer[8] & ATTRIBUTE_EOM) != 0,
    .term = (transfer[8] & ATTRIBUTE_TERM_CHAR) != 0,
  };
  return NULL;
}
