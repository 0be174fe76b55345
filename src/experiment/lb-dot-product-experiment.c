/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gi18n-lib.h>
#include <lb-random.h>

#include "lb-experiment-private.h"

/* Random vectors: signed ones show slope errors that non-negative ones hide. */

typedef struct
{
  LbExperiment parent;
  GArray *lengths; /* guint */
  guint count;
  guint64 seed;
} LbDotProductExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} LbDotProductExperimentClass;

static GType lb_dot_product_experiment_get_type (void);
G_DEFINE_TYPE (LbDotProductExperiment, lb_dot_product_experiment, lb_experiment_get_type ())

enum
{
  STREAM_X,
  STREAM_W,
};

static LbMatrix *
random_matrix (LbRandomKey key, guint stream, guint rows, guint columns, gboolean is_signed)
{
  LbMatrix *matrix = lb_matrix_new (rows, columns);

  for (guint r = 0; r < rows; r++)
    {
      float *row = lb_matrix_row (matrix, r);

      lb_random_uniform_fill (key, stream, (guint64) r * columns, columns, row);
      for (guint c = 0; is_signed && c < columns; c++)
        row[c] = 2 * row[c] - 1;
    }
  return matrix;
}

static gboolean
lb_dot_product_experiment_prepare (LbExperiment *experiment, GError **error)
{
  LbDotProductExperiment *self = (LbDotProductExperiment *) experiment;

  for (guint i = 0; i < self->lengths->len; i++)
    for (guint is_signed = 0; is_signed < 2; is_signed++)
      {
        guint length = g_array_index (self->lengths, guint, i);
        LbRandomKey key = lb_random_key_derive (lb_random_key (self->seed), 2 * (guint64) length + is_signed);

        lb_experiment_add_part (experiment, random_matrix (key, STREAM_X, self->count, length, is_signed),
                                random_matrix (key, STREAM_W, self->count, length, is_signed), TRUE,
                                LB_PRODUCT_LINEAR);
      }
  return TRUE;
}

static char *
lb_dot_product_experiment_dup_title (LbExperiment *experiment)
{
  return g_strdup (_ ("Random dot products"));
}

static void
lb_dot_product_experiment_add_settings (LbExperiment *experiment, LbQuantities *settings)
{
  LbDotProductExperiment *self = (LbDotProductExperiment *) experiment;
  g_autoptr (GString) lengths = g_string_new (NULL);

  for (guint i = 0; i < self->lengths->len; i++)
    g_string_append_printf (lengths, "%s%u", i == 0 ? "" : ", ", g_array_index (self->lengths, guint, i));
  lb_quantities_set_text (settings, "lengths", lengths->str);
  lb_quantities_set (settings, "dot_products_per_group", self->count, "");
}

static void
lb_dot_product_experiment_finalize (GObject *object)
{
  g_array_unref (((LbDotProductExperiment *) object)->lengths);
  G_OBJECT_CLASS (lb_dot_product_experiment_parent_class)->finalize (object);
}

static void
lb_dot_product_experiment_class_init (LbDotProductExperimentClass *klass)
{
  LbExperimentClass *experiment_class = (LbExperimentClass *) klass;

  G_OBJECT_CLASS (klass)->finalize = lb_dot_product_experiment_finalize;
  experiment_class->kind = "dot-product";
  experiment_class->prepare = lb_dot_product_experiment_prepare;
  experiment_class->dup_title = lb_dot_product_experiment_dup_title;
  experiment_class->add_settings = lb_dot_product_experiment_add_settings;
}

static void
lb_dot_product_experiment_init (LbDotProductExperiment *self)
{
  self->lengths = g_array_new (FALSE, FALSE, sizeof (guint));
}

/**
 * lb_dot_product_experiment_new:
 * @lengths: (array length=n_lengths): vector lengths, each at least 1
 * @count: dot products of each length and sign, at least 2
 * @photons_per_mac: light to use
 * @seed: of the vectors
 *
 * Returns: (transfer full): the experiment
 */
LbExperiment *
lb_dot_product_experiment_new (
    const guint *lengths, guint n_lengths, guint count, double photons_per_mac, guint64 seed)
{
  LbDotProductExperiment *self;

  g_return_val_if_fail (n_lengths > 0 && count > 1, NULL);

  self = g_object_new (lb_dot_product_experiment_get_type (), NULL);
  g_array_append_vals (self->lengths, lengths, n_lengths);
  self->count = count;
  self->seed = seed;
  lb_experiment_set_photons ((LbExperiment *) self, photons_per_mac);
  return (LbExperiment *) self;
}
