/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-matrix.h>

G_BEGIN_DECLS

/*
 * Private to this library: the tensors of a model folder, memory-mapped
 * (https://huggingface.co/docs/safetensors, "Format"). Immutable once open.
 */
typedef struct _LbSafetensors LbSafetensors;

#define LB_TENSOR_MAX_AXES 8

/**
 * LbTensor:
 * @name: as in the file
 * @dtype: "F32", "F16", "BF16" and so on
 * @axes: number of axes, 0 for a scalar
 * @shape: lengths of the axes
 * @values: product of @shape
 * @bytes: little-endian values, anywhere in memory (not aligned)
 * @size: in bytes
 * @file: base name of the file it is in
 */
typedef struct
{
  char *name;
  char *dtype;
  guint axes;
  gsize shape[LB_TENSOR_MAX_AXES];
  gsize values;
  const guint8 *bytes;
  gsize size;
  const char *file;
  GMappedFile *mapping;
} LbTensor;

/* How a matrix lies in its tensor. */
typedef enum
{
  LB_TENSOR_PLAIN,      /* (rows, columns), or (columns) for one row */
  LB_TENSOR_TRANSPOSED, /* (columns, rows), the Conv1D layout of GPT-2 */
} LbTensorLayout;

/*
 * Opens one file. The header, every offset and every size are checked, values
 * are not read. Errors: LB_MODEL_ERROR_MISSING, LB_MODEL_ERROR_FORMAT.
 */
LbSafetensors *lb_safetensors_open (const char *path, GError **error);
/* Opens model.safetensors of @directory, or the files that
 * model.safetensors.index.json names. */
LbSafetensors *lb_safetensors_open_folder (const char *directory, GError **error);
void lb_safetensors_free (LbSafetensors *self);
/* NULL if there is none; belongs to @self. */
const LbTensor *lb_safetensors_lookup (const LbSafetensors *self, const char *name);
/* All tensors (LbTensor, belonging to @self), file by file, in the order in
 * which they lie there; free with g_ptr_array_unref(). */
GPtrArray *lb_safetensors_list (const LbSafetensors *self);
guint lb_safetensors_get_count (const LbSafetensors *self);

/* Whether @tensor can be used without a copy in that layout. */
gboolean lb_tensor_is_plain_float (const LbTensor *tensor, LbTensorLayout layout);
/*
 * Checks that @tensor is (rows, columns) in that @layout, in a type that can be
 * read (F32, F16, BF16). @rows 1 also stands for a single axis. Errors:
 * LB_MODEL_ERROR_SHAPE, LB_MODEL_ERROR_FORMAT.
 */
gboolean
lb_tensor_check (const LbTensor *tensor, gsize rows, gsize columns, LbTensorLayout layout, GError **error);
/*
 * Rows @row to @row + @rows of a tensor that passed lb_tensor_check() with that
 * @layout: a view of the file where possible (read-only), else a converted
 * copy. LB_MODEL_ERROR_VALUE if a value is NaN or infinite.
 */
LbMatrix *
lb_tensor_get_matrix (const LbTensor *tensor, LbTensorLayout layout, gsize row, gsize rows, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSafetensors, lb_safetensors_free)

G_END_DECLS
