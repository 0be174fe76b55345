/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-matrix.h>

#include "lb-model.h"

G_BEGIN_DECLS

/*
 * LbModelWriter: gathers what a model folder (data/model.md) is to hold, and
 * writes it: a model with ranges that were found for it, or one that was
 * trained.
 */
typedef struct _LbModelWriter LbModelWriter;

/* A new model of the kind "optical-gpt"; all its tensors are set by the caller. */
LbModelWriter *lb_model_writer_new (const LbModelConfig *config);
/* What the folder of @model holds, to which tensors are added, or in which they
 * are replaced; the weights are not read into memory. */
LbModelWriter *lb_model_writer_new_from_model (LbModel *model);
void lb_model_writer_free (LbModelWriter *self);
/* Where vocab.json and merges.txt are copied from; the model's folder in
 * lb_model_writer_new_from_model(). NULL: those of the target stay. */
void lb_model_writer_set_tokenizer (LbModelWriter *self, const char *directory);
/* Sets a tensor in F32, by its name in data/model.md without any prefix. @values:
 * (rows, columns), or one row for a tensor of one axis; a reference is kept, and
 * the values are those at the time of writing. */
void lb_model_writer_set_tensor (LbModelWriter *self, const char *name, LbMatrix *values);
/* @ranges: as lb_model_get_ranges() returns them; copied. */
void lb_model_writer_set_ranges (LbModelWriter *self, guint layer, LbTransformerOp op, const float *ranges);
/* @means: as lb_model_get_sigma_means() returns them; copied. */
void
lb_model_writer_set_sigma_means (LbModelWriter *self, guint layer, LbTransformerOp op, const float *means);
/*
 * Writes the folder; @self can be changed and written again. A folder that does
 * not exist appears whole or not at all. In one that exists, each file is
 * replaced whole or not at all, model.safetensors last (so that new values for
 * the same config.json are there or are not); shards of an earlier model stay,
 * and are no longer read. @directory may be the folder of the model itself,
 * which goes on with what it has opened. All is on the disk when it returns.
 * Errors: LB_MODEL_ERROR_VALUE for a value that is NaN or infinite, an empty
 * range or a mean below 0, before anything is written; G_FILE_ERROR.
 */
gboolean lb_model_writer_write (LbModelWriter *self, const char *directory, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbModelWriter, lb_model_writer_free)

G_END_DECLS
