/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <sys/stat.h>
#include <unistd.h>
#include "lb-session-private.h"

G_LOCK_DEFINE_STATIC (held);
/* "device:inode" -> GArray of descriptors to close when the file is let go. */
static GHashTable *held;

static char *
key_of (const struct stat *status)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64) status->st_dev,
                          (guint64) status->st_ino);
}

static char *
key_of_path (const char *path)
{
  struct stat status;

  return stat (path, &status) == 0 ? key_of (&status) : NULL;
}

/* Notes that this process writes to @path; FALSE if it does already. */
gboolean
lb_session_lock_register (const char *path)
{
  g_autofree char *key = key_of_path (path);
  gboolean fresh = FALSE;

  if (key == NULL)
    return FALSE;
  G_LOCK (held);
  if (held == NULL)
    held = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
  if (!g_hash_table_contains (held, key))
    {
      g_hash_table_insert (held, g_steal_pointer (&key), g_array_new (FALSE, FALSE, sizeof (int)));
      fresh = TRUE;
    }
  G_UNLOCK (held);
  return fresh;
}

/* Forgets @path, and closes what waited for that. */
void
lb_session_lock_release (const char *path)
{
  g_autofree char *key = key_of_path (path);
  GArray *descriptors;

  if (key == NULL)
    return;
  G_LOCK (held);
  descriptors = held != NULL ? g_hash_table_lookup (held, key) : NULL;
  for (guint i = 0; descriptors != NULL && i < descriptors->len; i++)
    close (g_array_index (descriptors, int, i));
  if (descriptors != NULL)
    g_hash_table_remove (held, key);
  if (held != NULL && g_hash_table_size (held) == 0)
    g_clear_pointer (&held, g_hash_table_unref);
  G_UNLOCK (held);
}

gboolean
lb_session_lock_is_held (const char *path)
{
  g_autofree char *key = key_of_path (path);
  gboolean found;

  if (key == NULL)
    return FALSE;
  G_LOCK (held);
  found = held != NULL && g_hash_table_contains (held, key);
  G_UNLOCK (held);
  return found;
}

/* Closes a descriptor of @path, or keeps it until the file is let go. */
void
lb_session_lock_close (const char *path, int descriptor)
{
  struct stat status;
  GArray *descriptors = NULL;

  G_LOCK (held);
  if (held != NULL && fstat (descriptor, &status) == 0)
    {
      g_autofree char *key = key_of (&status);

      descriptors = g_hash_table_lookup (held, key);
    }
  if (descriptors != NULL)
    g_array_append_val (descriptors, descriptor);
  else
    close (descriptor);
  G_UNLOCK (held);
}
