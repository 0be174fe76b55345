/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-experiment-choice.h"

#include <glib/gi18n.h>
#include <lb-model.h>

#define MAX_LENGTHS 16
#define MAX_LENGTH 65536

/**
 * lb_experiment_choice_copy:
 *
 * Returns: (transfer full): a copy
 */
LbExperimentChoice *
lb_experiment_choice_copy (const LbExperimentChoice *self)
{
  LbExperimentChoice *copy = g_new (LbExperimentChoice, 1);

  *copy = *self;
  copy->model = g_strdup (self->model);
  copy->text = g_strdup (self->text);
  copy->lengths = g_strdup (self->lengths);
  return copy;
}

/**
 * lb_experiment_choice_free:
 *
 * Frees it.
 */
void
lb_experiment_choice_free (LbExperimentChoice *self)
{
  g_free (self->model);
  g_free (self->text);
  g_free (self->lengths);
  g_free (self);
}

static gboolean
parse_lengths (const char *text, guint *lengths, guint *count, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (text, ", ;", -1);

  *count = 0;
  for (guint i = 0; words[i] != NULL; i++)
    {
      guint64 length;

      if (words[i][0] == '\0')
        continue;
      if (*count == MAX_LENGTHS || !g_ascii_string_to_unsigned (words[i], 10, 1, MAX_LENGTH, &length, NULL))
        {
          g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                       _ ("lengths \"%s\": give up to %d whole numbers from 1 to %d, such as 64, 256, 1024"),
                       text, MAX_LENGTHS, MAX_LENGTH);
          return FALSE;
        }
      lengths[(*count)++] = length;
    }
  if (*count > 0)
    return TRUE;
  g_set_error_literal (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
                       _ ("no lengths: give whole numbers such as 64, 256, 1024"));
  return FALSE;
}

/**
 * lb_experiment_choice_make:
 * @data: an #LbExperimentChoice
 *
 * Returns: (transfer full): the experiment, or %NULL: the choice does not fit
 *   the model, or there is no such model
 */
LbExperiment *
lb_experiment_choice_make (gconstpointer data, GError **error)
{
  const LbExperimentChoice *self = data;
  guint lengths[MAX_LENGTHS], count;

  if (self->kind == LB_CHOICE_ATTENTION)
    return lb_attention_experiment_new (self->model, self->text, self->layer, self->head, self->tokens,
                                        self->photons_per_mac, error);
  if (self->kind == LB_CHOICE_LAYER)
    return lb_layer_experiment_new (self->model, self->text, self->layer, self->head, self->op, self->tokens,
                                    self->photons_per_mac, error);
  if (self->kind == LB_CHOICE_MODEL)
    return lb_model_experiment_new (self->model, self->text, self->tokens, self->photons_per_mac, error);
  if (!parse_lengths (self->lengths, lengths, &count, error))
    return NULL;
  return lb_dot_product_experiment_new (lengths, count, self->count, self->photons_per_mac, self->seed);
}

/* --- Models ------------------------------------------------------------------------- */

/**
 * lb_model_choice_free:
 *
 * Frees it.
 */
void
lb_model_choice_free (LbModelChoice *self)
{
  g_free (self->name);
  g_free (self->title);
  g_free (self);
}

static gboolean
add_model (GPtrArray *choices, const char *name, GError **error)
{
  g_autoptr (LbModel) model = lb_model_open_named (name, error);
  const LbModelConfig *config;
  LbModelChoice *choice;

  if (model == NULL)
    return FALSE;
  config = lb_model_get_config (model);
  choice = g_new0 (LbModelChoice, 1);
  choice->name = g_strdup (name != NULL ? name : lb_model_get_name (model));
  choice->title = g_strdup (lb_model_get_name (model));
  choice->layers = config->layers;
  choice->heads = config->heads;
  choice->context = config->context;
  g_ptr_array_add (choices, choice);
  return TRUE;
}

static gboolean
has_model (GPtrArray *choices, const char *name)
{
  for (guint i = 0; i < choices->len; i++)
    if (g_str_equal (((LbModelChoice *) g_ptr_array_index (choices, i))->title, name))
      return TRUE;
  return FALSE;
}

/* A folder that holds something else is passed over. */
static void
add_shipped (GPtrArray *choices)
{
  const char *folders[] = { g_getenv ("LIGHTBENCH_DATA_DIR"), LB_DATA_DIR, LB_SOURCE_DATA_DIR };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = folders[i] != NULL ? g_build_filename (folders[i], "models", NULL) : NULL;
      g_autoptr (GDir) dir = path != NULL ? g_dir_open (path, 0, NULL) : NULL;
      const char *name;

      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        if (!has_model (choices, name))
          add_model (choices, name, NULL);
    }
}

static void
load_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_autoptr (GPtrArray) choices = g_ptr_array_new_with_free_func ((GDestroyNotify) lb_model_choice_free);
  GError *error = NULL;
  gboolean loaded = add_model (choices, data, &error);

  if (loaded && data == NULL)
    add_shipped (choices);
  if (loaded)
    g_task_return_pointer (task, g_steal_pointer (&choices), (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

/**
 * lb_model_choice_load_async:
 * @name: (nullable): folder or shipped name; %NULL: the default one first, then
 *   all others that are shipped
 */
void
lb_model_choice_load_async (const char *name, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);

  g_task_set_task_data (task, g_strdup (name), g_free);
  g_task_run_in_thread (task, load_thread);
}

/**
 * lb_model_choice_load_finish:
 *
 * Returns: (transfer full) (element-type LbModelChoice): at least one, or %NULL
 */
GPtrArray *
lb_model_choice_load_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
