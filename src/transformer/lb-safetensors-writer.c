/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-safetensors-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* The header is padded so that the values start at a multiple of this. */
#define ALIGNMENT 8

/* What is written: @tensor of another file, or @matrix. */
typedef struct
{
  char *name;
  const char *dtype;
  guint axes;
  gsize shape[LB_TENSOR_MAX_AXES];
  gsize size;
  const LbTensor *tensor;
  LbMatrix *matrix;
} Entry;

struct _LbSafetensorsWriter
{
  GPtrArray *entries; /* Entry */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_clear_pointer (&entry->matrix, lb_matrix_unref);
  g_free (entry->name);
  g_free (entry);
}

LbSafetensorsWriter *
lb_safetensors_writer_new (void)
{
  LbSafetensorsWriter *self = g_new0 (LbSafetensorsWriter, 1);

  self->entries = g_ptr_array_new_with_free_func (entry_free);
  return self;
}

void
lb_safetensors_writer_free (LbSafetensorsWriter *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->entries);
  g_free (self);
}

void
lb_safetensors_writer_add_tensor (LbSafetensorsWriter *self, const LbTensor *tensor)
{
  Entry *entry;

  g_return_if_fail (self != NULL);
  g_return_if_fail (tensor != NULL);

  entry = g_new0 (Entry, 1);
  entry->name = g_strdup (tensor->name);
  entry->dtype = tensor->dtype;
  entry->axes = tensor->axes;
  memcpy (entry->shape, tensor->shape, sizeof entry->shape);
  entry->size = tensor->size;
  entry->tensor = tensor;
  g_ptr_array_add (self->entries, entry);
}

void
lb_safetensors_writer_add_matrix (LbSafetensorsWriter *self, const char *name, LbMatrix *matrix)
{
  Entry *entry;

  g_return_if_fail (self != NULL);
  g_return_if_fail (name != NULL);
  g_return_if_fail (matrix != NULL);

  entry = g_new0 (Entry, 1);
  entry->name = g_strdup (name);
  entry->dtype = "F32";
  entry->axes = matrix->rows == 1 ? 1 : 2;
  entry->shape[0] = matrix->rows == 1 ? matrix->columns : matrix->rows;
  entry->shape[1] = matrix->columns;
  entry->size = matrix->rows * matrix->columns * sizeof (float);
  entry->matrix = lb_matrix_ref (matrix);
  g_ptr_array_add (self->entries, entry);
}

static gsize
get_value_bytes (const Entry *entry)
{
  gsize values = 1;

  for (guint i = 0; i < entry->axes; i++)
    values *= entry->shape[i];
  return values > 0 ? entry->size / values : 0;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const Entry *one = *(Entry *const *) a;
  const Entry *two = *(Entry *const *) b;
  const gsize bytes_one = get_value_bytes (one), bytes_two = get_value_bytes (two);

  return bytes_one != bytes_two ? (bytes_one > bytes_two ? -1 : 1) : strcmp (one->name, two->name);
}

static void
append_json_string (GString *text, const char *string)
{
  g_string_append_c (text, '"');
  for (const char *p = string; *p != '\0'; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (text, "\\%c", *p);
    else if ((guchar) *p < 0x20)
      g_string_append_printf (text, "\\u%04x", *p);
    else
      g_string_append_c (text, *p);
  g_string_append_c (text, '"');
}

/* The size of the header and the header. "pt": the libraries that read such
 * folders in Python ask for it. */
static GString *
compose_header (LbSafetensorsWriter *self)
{
  GString *header = g_string_new ("{\"__metadata__\":{\"format\":\"pt\"}");
  gsize start = 0;
  guint64 size;

  for (guint i = 0; i < self->entries->len; i++)
    {
      const Entry *entry = self->entries->pdata[i];

      g_string_append_c (header, ',');
      append_json_string (header, entry->name);
      g_string_append_printf (header, ":{\"dtype\":\"%s\",\"shape\":[", entry->dtype);
      for (guint axis = 0; axis < entry->axes; axis++)
        g_string_append_printf (header, axis == 0 ? "%zu" : ",%zu", entry->shape[axis]);
      g_string_append_printf (header, "],\"data_offsets\":[%zu,%zu]}", start, start + entry->size);
      start += entry->size;
    }
  g_string_append_c (header, '}');
  while (header->len % ALIGNMENT != 0)
    g_string_append_c (header, ' ');
  size = GUINT64_TO_LE ((guint64) header->len);
  g_string_prepend_len (header, (const char *) &size, sizeof size);
  return header;
}

static gboolean
write_matrix (const LbMatrix *matrix, FILE *file)
{
  g_autofree guint32 *row = g_new (guint32, matrix->columns);

  for (gsize i = 0; i < matrix->rows; i++)
    {
      memcpy (row, lb_matrix_row (matrix, i), matrix->columns * sizeof (float));
      for (gsize j = 0; j < matrix->columns; j++)
        row[j] = GUINT32_TO_LE (row[j]);
      if (fwrite (row, sizeof *row, matrix->columns, file) != matrix->columns)
        return FALSE;
    }
  return TRUE;
}

/* FALSE with errno set. */
static gboolean
write_contents (LbSafetensorsWriter *self, FILE *file)
{
  g_autoptr (GString) header = NULL;

  g_ptr_array_sort (self->entries, compare_entries);
  header = compose_header (self);
  if (fwrite (header->str, 1, header->len, file) != header->len)
    return FALSE;
  for (guint i = 0; i < self->entries->len; i++)
    {
      const Entry *entry = self->entries->pdata[i];
      gboolean written = entry->matrix != NULL
                             ? write_matrix (entry->matrix, file)
                             : fwrite (entry->tensor->bytes, 1, entry->size, file) == entry->size;

      if (!written)
        return FALSE;
    }
  return fflush (file) == 0 && fsync (fileno (file)) == 0;
}

static gboolean
report_errno (const char *path, int number, GError **error)
{
  g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (number), _ ("%s: cannot be written: %s"),
               path, g_strerror (number));
  return FALSE;
}

gboolean
lb_sync_directory (const char *directory, GError **error)
{
  int folder = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced = folder >= 0 && fsync (folder) == 0;
  int number = errno;

  if (folder >= 0)
    close (folder);
  /* Some file systems cannot, and say so. */
  if (!synced && number != EINVAL)
    return report_errno (directory, number, error);
  return TRUE;
}

gboolean
lb_safetensors_writer_write (LbSafetensorsWriter *self, const char *path, GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  g_autofree char *directory = g_path_get_dirname (path);
  int descriptor, number = 0;
  FILE *file;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  descriptor = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return report_errno (path, errno, error);
  file = fdopen (descriptor, "wb");
  if (file == NULL || !write_contents (self, file))
    number = errno;
  if (file == NULL)
    close (descriptor);
  else if (fclose (file) != 0 && number == 0)
    number = errno;
  if (number == 0 && g_rename (temporary, path) != 0)
    number = errno;
  if (number != 0)
    {
      g_unlink (temporary);
      return report_errno (path, number, error);
    }
  return lb_sync_directory (directory, error);
}
