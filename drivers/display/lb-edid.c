/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-edid.h"

#include <string.h>

/*
 * The identity in a monitor's EDID, after VESA Enhanced Extended Display
 * Identification Data Standard, release A, revision 2 (2006), sections 3.3
 * (header), 3.4 (maker, product code, serial number), 3.10.3 (descriptors).
 */

#define BLOCK 128
#define MAKER 8
#define PRODUCT 10
#define SERIAL 12
#define FIRST_DESCRIPTOR 54
#define DESCRIPTOR 18
#define N_DESCRIPTORS 4
#define TAG_SERIAL 0xff
#define TAG_NAME 0xfc
#define TEXT_LENGTH 13

/* Ends with a line feed where it is shorter; what cannot be printed is left out. */
static void
copy_text (const guint8 *descriptor, char *text)
{
  gsize length = 0;

  for (guint i = 0; i < TEXT_LENGTH && descriptor[5 + i] != '\n'; i++)
    if (g_ascii_isprint (descriptor[5 + i]))
      text[length++] = (char) descriptor[5 + i];
  text[length] = '\0';
  g_strstrip (text);
}

static void
read_descriptors (const guint8 *data, LbEdid *edid)
{
  for (guint i = 0; i < N_DESCRIPTORS; i++)
    {
      const guint8 *descriptor = data + FIRST_DESCRIPTOR + i * DESCRIPTOR;

      /* Else it is a timing. */
      if (descriptor[0] != 0 || descriptor[1] != 0 || descriptor[2] != 0)
        continue;
      if (descriptor[3] == TAG_NAME)
        copy_text (descriptor, edid->model);
      else if (descriptor[3] == TAG_SERIAL)
        copy_text (descriptor, edid->serial);
    }
}

/**
 * lb_edid_read:
 * @data: an EDID; blocks after the first are not looked at
 * @length: of it, in bytes
 * @edid: (out): maker, model and serial
 *
 * Returns: %FALSE if it is too short, has another header, or its checksum is wrong
 */
gboolean
lb_edid_read (const guint8 *data, gsize length, LbEdid *edid)
{
  static const guint8 header[8] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
  guint8 sum = 0;
  guint maker, product;
  guint32 serial;

  *edid = (LbEdid){ 0 };
  if (data == NULL || length < BLOCK || memcmp (data, header, sizeof header) != 0)
    return FALSE;
  for (guint i = 0; i < BLOCK; i++)
    sum += data[i];
  if (sum != 0)
    return FALSE;
  maker = (guint) data[MAKER] << 8 | data[MAKER + 1];
  for (guint i = 0; i < 3; i++)
    {
      guint letter = (maker >> (10 - 5 * i)) & 31;

      edid->make[i] = letter >= 1 && letter <= 26 ? (char) ('A' + letter - 1) : '?';
    }
  read_descriptors (data, edid);
  product = data[PRODUCT] | (guint) data[PRODUCT + 1] << 8;
  serial = data[SERIAL] | (guint32) data[SERIAL + 1] << 8 | (guint32) data[SERIAL + 2] << 16 |
           (guint32) data[SERIAL + 3] << 24;
  if (edid->model[0] == '\0')
    g_snprintf (edid->model, sizeof edid->model, "0x%04x", product);
  if (edid->serial[0] == '\0' && serial != 0)
    g_snprintf (edid->serial, sizeof edid->serial, "%u", serial);
  return TRUE;
}
