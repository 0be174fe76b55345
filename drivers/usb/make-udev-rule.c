/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "lb-usb-models.h"

/* Prints the udev rule of all models in the table: run when Lightbench is built.
 * `uaccess` lets whoever sits at the computer use them (systemd's 73-seat-late). */

static gboolean
was_before (const LbUsbModel *model, guint16 product)
{
  for (const LbUsbModel *before = lb_usb_models; before != model; before++)
    if (lb_usb_model_has_id (before, model->vendor, product))
      return TRUE;
  return FALSE;
}

int
main (void)
{
  printf ("# Instruments that Lightbench uses. Made of its table of models; do not edit.\n"
          "ACTION==\"remove\", GOTO=\"lightbench_end\"\n"
          "SUBSYSTEM!=\"usb\", GOTO=\"lightbench_end\"\n"
          "ENV{DEVTYPE}!=\"usb_device\", GOTO=\"lightbench_end\"\n");
  for (const LbUsbModel *model = lb_usb_models; model->name != NULL; model++)
    for (guint i = 0; i < G_N_ELEMENTS (model->products); i++)
      if (model->products[i] != 0 && !was_before (model, model->products[i]))
        printf ("# %s\nATTR{idVendor}==\"%04x\", ATTR{idProduct}==\"%04x\", TAG+=\"uaccess\"\n", model->name,
                model->vendor, model->products[i]);
  printf ("LABEL=\"lightbench_end\"\n");
  return 0;
}
