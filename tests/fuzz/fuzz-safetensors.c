/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a safetensors file: tensors that lie within it, or an error. */
#include <lb-safetensors.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/* Reads all values, both ways where there are two. */
static void
read_tensor (const LbTensor *tensor)
{
  const gsize rows = tensor->axes == 2 ? tensor->shape[0] : 1;
  const gsize columns = tensor->axes > 0 ? tensor->shape[tensor->axes - 1] : 0;
  g_autoptr (LbMatrix) plain = NULL;
  g_autoptr (LbMatrix) turned = NULL;

  if (tensor->axes < 1 || tensor->axes > 2 || tensor->values == 0 ||
      !lb_tensor_check (tensor, rows, columns, LB_TENSOR_PLAIN, NULL))
    return;
  plain = lb_tensor_get_matrix (tensor, LB_TENSOR_PLAIN, 0, rows, NULL);
  if (tensor->axes == 2)
    turned = lb_tensor_get_matrix (tensor, LB_TENSOR_TRANSPOSED, 0, columns, NULL);
  g_assert_true (tensor->axes == 1 || (plain == NULL) == (turned == NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int file = memfd_create ("fuzz.safetensors", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", file);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSafetensors) tensors = NULL;
  g_autoptr (GPtrArray) list = NULL;

  g_assert_cmpint (file, >=, 0);
  g_assert_cmpint (write (file, data, size), ==, (gssize) size);
  tensors = lb_safetensors_open (path, &error);
  g_assert_true ((tensors == NULL) == (error != NULL));
  if (tensors != NULL)
    list = lb_safetensors_list (tensors);
  for (guint i = 0; list != NULL && i < list->len; i++)
    read_tensor (list->pdata[i]);
  close (file);
  return 0;
}
