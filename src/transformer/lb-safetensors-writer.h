/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-matrix.h>

#include "lb-safetensors.h"

G_BEGIN_DECLS

/*
 * Private to this library: writes a safetensors file tensor by tensor, so that
 * a model need not fit the memory.
 */
typedef struct _LbSafetensorsWriter LbSafetensorsWriter;

LbSafetensorsWriter *lb_safetensors_writer_new (void);
void lb_safetensors_writer_free (LbSafetensorsWriter *self);
/* Adds a tensor of another file as it is there; the file must stay open until
 * the last lb_safetensors_writer_write(). Names must be different. */
void lb_safetensors_writer_add_tensor (LbSafetensorsWriter *self, const LbTensor *tensor);
/* Adds F32 values, (rows, columns), or (columns) where there is one row; keeps a
 * reference. */
void lb_safetensors_writer_add_matrix (LbSafetensorsWriter *self, const char *name, LbMatrix *matrix);
/*
 * Writes the file at @path, whole or not at all: what was there before stays
 * until all of the new file is on the disk. Widest values first and then by
 * name, so that every value is aligned and the bytes do not depend on the order
 * of the calls. Errors: G_FILE_ERROR, which names the file.
 */
gboolean lb_safetensors_writer_write (LbSafetensorsWriter *self, const char *path, GError **error);
/* Makes what was renamed into or created in @directory survive a power cut;
 * G_FILE_ERROR. */
gboolean lb_sync_directory (const char *directory, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSafetensorsWriter, lb_safetensors_writer_free)

G_END_DECLS
