/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-calibration-private.h"
#include "lb-calibration-store.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <lb-user-folder.h>
#include <string.h>
#include <unistd.h>

/* Of the stored results. */
#define FOLDER "calibrations"
#define SUFFIX ".calibration"
/* Of the file that marks a result as bad: its hash and this. */
#define BAD_SUFFIX ".bad"
/* Digits of a hash by which a result is called. */
#define ID_DIGITS 16
#define ID_DIGITS_MIN 4

/* "20260131T120000.123456Z-dark-0123456789abcdef.calibration": sorts by time. */
static char *
make_file_name (LbCalibration *calibration)
{
  gint64 time_us = lb_calibration_get_time_us (calibration);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  g_autofree char *date = time != NULL ? g_date_time_format (time, "%Y%m%dT%H%M%S") : g_strdup ("0");

  return g_strdup_printf ("%s.%06dZ-%s-%.16s" SUFFIX, date, (int) (time_us % G_USEC_PER_SEC),
                          lb_calibration_get_step (calibration), lb_calibration_get_hash (calibration));
}

/**
 * lb_calibration_store_prepare:
 * @error: set to %G_FILE_ERROR
 *
 * Makes the folder of the stored results if there is none.
 *
 * Returns: whether results can be saved in it.
 */
gboolean
lb_calibration_store_prepare (GError **error)
{
  g_autofree char *folder = lb_user_folder (FOLDER);

  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (g_mkdir_with_parents (folder, 0700) != 0 || g_access (folder, W_OK | X_OK) != 0)
    {
      int saved_errno = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno),
                   _ ("The calibrations folder %s cannot be made or written to: %s; give yourself the right "
                      "to, or name another folder in LIGHTBENCH_HOME"),
                   folder, g_strerror (saved_errno));
      return FALSE;
    }
  return TRUE;
}

static char *
make_bad_path (const char *hash)
{
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autofree char *name = g_strconcat (hash, BAD_SUFFIX, NULL);

  return g_build_filename (folder, name, NULL);
}

/**
 * lb_calibration_store_is_bad:
 * @hash: of a result
 *
 * Returns: whether an operator marked it as bad.
 */
gboolean
lb_calibration_store_is_bad (const char *hash)
{
  g_autofree char *path = NULL;

  g_return_val_if_fail (hash != NULL, FALSE);

  path = make_bad_path (hash);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/**
 * lb_calibration_store_mark_bad:
 * @calibration: a sealed result
 * @error: set to %G_FILE_ERROR
 *
 * Marks the result, by a file beside it: it is kept, but not put in force again.
 *
 * Returns: whether it is marked.
 */
gboolean
lb_calibration_store_mark_bad (LbCalibration *calibration, GError **error)
{
  g_autofree char *path = NULL;

  g_return_val_if_fail (LB_IS_CALIBRATION (calibration), FALSE);
  g_return_val_if_fail (lb_calibration_get_hash (calibration) != NULL, FALSE);

  path = make_bad_path (lb_calibration_get_hash (calibration));
  return lb_calibration_store_prepare (error) &&
         g_file_set_contents_full (path, "", 0, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

static char *
make_path (LbCalibration *calibration)
{
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autofree char *name = make_file_name (calibration);

  return g_build_filename (folder, name, NULL);
}

/**
 * lb_calibration_store_holds:
 * @calibration: a sealed result
 *
 * Returns: whether it is stored already
 */
gboolean
lb_calibration_store_holds (LbCalibration *calibration)
{
  g_autofree char *path = NULL;

  g_return_val_if_fail (LB_IS_CALIBRATION (calibration), FALSE);
  g_return_val_if_fail (lb_calibration_get_hash (calibration) != NULL, FALSE);

  path = make_path (calibration);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/**
 * lb_calibration_store_save:
 * @calibration: a sealed result
 * @error: set to %G_FILE_ERROR
 *
 * Saves the result in a file of its own in the user's data folder, whole or not
 * at all. One that is there already stays as it is.
 *
 * Returns: whether it is stored.
 */
gboolean
lb_calibration_store_save (LbCalibration *calibration, GError **error)
{
  g_autofree char *path = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_return_val_if_fail (LB_IS_CALIBRATION (calibration), FALSE);
  g_return_val_if_fail (lb_calibration_get_hash (calibration) != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!lb_calibration_store_prepare (error))
    return FALSE;
  if (lb_calibration_store_holds (calibration))
    return TRUE;

  path = make_path (calibration);
  bytes = lb_calibration_to_bytes (calibration);
  if (!g_file_set_contents_full (path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes),
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error))
    {
      g_prefix_error (error, _ ("The calibration cannot be stored: "));
      return FALSE;
    }
  return TRUE;
}

/* What a file must match. */
typedef struct
{
  LbQuantities *identities;
  const char *fidelity;
  LbCalibrationSet *set;
} Wanted;

/* Whether the file, by what it says of itself, is of the bench's devices and
 * newer than what is in the set. */
static gboolean
is_wanted (const Wanted *wanted, const char *path, GBytes *bytes)
{
  g_autofree char *step = NULL;
  g_autofree char *fidelity = NULL;
  g_autoptr (LbQuantities) identities = NULL;
  g_autoptr (LbCalibration) known = NULL;
  LbVerdict verdict;
  gint64 time_us;

  if (!lb_calibration_peek (bytes, &step, &time_us, &verdict, &identities, &fidelity))
    {
      g_message (_ ("%s is damaged, and passed over"), path);
      return FALSE;
    }
  if (verdict == LB_VERDICT_FAIL || g_strcmp0 (fidelity, wanted->fidelity) != 0 ||
      lb_calibration_steps_find (step) == NULL ||
      !lb_calibration_identities_match (identities, wanted->identities))
    return FALSE;
  known = lb_calibration_set_dup (wanted->set, step);
  return known == NULL || lb_calibration_get_time_us (known) < time_us;
}

/* A damaged file is no reason to do without the others: it is named and passed
 * over. */
static void
load_file (const Wanted *wanted, const char *path)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GBytes) mapped = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (LbCalibration) calibration = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;
  const void *data;

  file = g_mapped_file_new (path, FALSE, &error);
  if (file == NULL)
    {
      g_message ("%s", error->message);
      return;
    }
  mapped = g_mapped_file_get_bytes (file);
  if (!is_wanted (wanted, path, mapped))
    return;

  data = g_bytes_get_data (mapped, &size);
  bytes = g_bytes_new (data, size);
  calibration = lb_calibration_from_bytes (bytes, &error);
  if (calibration == NULL)
    g_message (_ ("%s is passed over: %s"), path, error->message);
  else if (!lb_calibration_store_is_bad (lb_calibration_get_hash (calibration)))
    lb_calibration_set_put (wanted->set, calibration);
}

static int
compare_newest_first (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) b, *(const char *const *) a);
}

static GPtrArray *
list_files (const char *folder, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &local_error);
  const char *name;

  if (dir == NULL && !g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error),
                                  _ ("The stored calibrations cannot be read: "));
      return NULL;
    }
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, SUFFIX))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_newest_first);
  return g_steal_pointer (&names);
}

/**
 * lb_calibration_store_load:
 * @bench: a connected bench
 * @error: set to %G_FILE_ERROR if the folder cannot be read
 *
 * Reads the newest stored result of each step that did not fail and belongs to
 * the bench's devices and fidelity. Damaged files are passed over.
 *
 * Returns: (transfer full) (nullable): the set, maybe empty.
 */
LbCalibrationSet *
lb_calibration_store_load (LbBench *bench, GError **error)
{
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (LbQuantities) identities = NULL;
  g_autoptr (LbCalibrationSet) set = NULL;
  Wanted wanted;

  g_return_val_if_fail (LB_IS_BENCH (bench), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  names = list_files (folder, error);
  if (names == NULL)
    return NULL;
  set = lb_calibration_set_new ();
  identities = lb_bench_dup_identities (bench);
  wanted = (Wanted){ identities,
                     lb_calibration_fidelity_name (lb_setup_get_fidelity (lb_bench_get_setup (bench))), set };
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (folder, g_ptr_array_index (names, i), NULL);

      load_file (&wanted, path);
    }
  return g_steal_pointer (&set);
}

/**
 * lb_stored_calibration_free:
 *
 * Frees an entry of the store's list.
 */
void
lb_stored_calibration_free (LbStoredCalibration *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->id);
  g_clear_object (&self->calibration);
  g_free (self);
}

/* The result in a file, if it is whole and of the bench; else NULL. */
static LbCalibration *
read_file (const char *path, LbBench *bench)
{
  g_autofree char *data = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (LbCalibration) calibration = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  if (g_file_get_contents (path, &data, &size, &error))
    {
      bytes = g_bytes_new_take (g_steal_pointer (&data), size);
      calibration = lb_calibration_from_bytes (bytes, &error);
    }
  if (calibration == NULL)
    {
      /* What loads the results has said so. */
      g_info ("%s: %s", path, error->message);
      return NULL;
    }
  return lb_calibration_fits_bench (calibration, bench) ? g_steal_pointer (&calibration) : NULL;
}

/**
 * lb_calibration_store_list:
 * @bench: a connected bench
 * @error: set to %G_FILE_ERROR if the folder cannot be read
 *
 * Returns: (transfer full) (nullable) (element-type LbStoredCalibration): all
 * results of the bench's devices and fidelity, newest first.
 */
GPtrArray *
lb_calibration_store_list (LbBench *bench, GError **error)
{
  g_autofree char *folder = lb_user_folder (FOLDER);
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_stored_calibration_free);
  g_autoptr (GHashTable) in_force = g_hash_table_new (g_str_hash, g_str_equal);

  g_return_val_if_fail (LB_IS_BENCH (bench), NULL);

  names = list_files (folder, error);
  if (names == NULL)
    return NULL;
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (folder, g_ptr_array_index (names, i), NULL);
      LbCalibration *calibration = read_file (path, bench);
      LbStoredCalibration *entry;

      if (calibration == NULL)
        continue;
      entry = g_new0 (LbStoredCalibration, 1);
      entry->calibration = calibration;
      entry->id = g_strndup (lb_calibration_get_hash (calibration), ID_DIGITS);
      entry->bad = lb_calibration_store_is_bad (lb_calibration_get_hash (calibration));
      entry->in_force = !entry->bad && lb_calibration_get_verdict (calibration) != LB_VERDICT_FAIL &&
                        g_hash_table_add (in_force, (gpointer) lb_calibration_get_step (calibration));
      g_ptr_array_add (list, entry);
    }
  return g_steal_pointer (&list);
}

/**
 * lb_calibration_store_find:
 * @bench: a connected bench
 * @id: the first digits of its hash, at least 4
 * @error: %LB_CALIBRATION_ERROR_NO_SUCH_RESULT
 *
 * Returns: (transfer full) (nullable): the result of that name.
 */
LbCalibration *
lb_calibration_store_find (LbBench *bench, const char *id, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (LbCalibration) found = NULL;

  g_return_val_if_fail (LB_IS_BENCH (bench) && id != NULL, NULL);

  list = lb_calibration_store_list (bench, error);
  if (list == NULL)
    return NULL;
  for (guint i = 0; i < list->len && strlen (id) >= ID_DIGITS_MIN; i++)
    {
      const LbStoredCalibration *entry = g_ptr_array_index (list, i);

      if (!g_str_has_prefix (lb_calibration_get_hash (entry->calibration), id))
        continue;
      if (found != NULL)
        {
          g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_RESULT,
                       _ ("more than one calibration is called “%s…”: give more digits"), id);
          return NULL;
        }
      found = g_object_ref (entry->calibration);
    }
  if (found == NULL)
    g_set_error (
        error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_NO_SUCH_RESULT,
        _ ("no calibration of this bench is called “%s” (at least %d digits): list them without options"), id,
        ID_DIGITS_MIN);
  return g_steal_pointer (&found);
}
