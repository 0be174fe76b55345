/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Small model folders with random weights, made for a test and removed with it. */

/* A tensor to be written: values in double, in file order. */
typedef struct
{
  char *name;
  const char *dtype; /* "F32", "F16", "BF16", or another of 4 bytes */
  guint axes;
  gsize shape[3];
  gsize count;
  double *values;
} FixtureTensor;

typedef struct
{
  char *directory;
  GPtrArray *tensors; /* FixtureTensor, in file order */
} Fixture;

/* Sizes of the small models. */
#define FIXTURE_WIDTH 24
#define FIXTURE_HEADS 3
#define FIXTURE_LAYERS 2
#define FIXTURE_CONTEXT 20
#define FIXTURE_VOCABULARY 264

Fixture *fixture_new (void);
void fixture_free (Fixture *self);
/* Path of a file of tests/data/reference; free with g_free(). */
char *fixture_reference (const char *name);

/* @length -1: up to the first zero byte. */
void fixture_write_file (Fixture *self, const char *name, const char *contents, gssize length);
void fixture_remove_file (Fixture *self, const char *name);
/* vocab.json: the 256 bytes and "ab", "cd", "abcd"; merges.txt to match. */
void fixture_write_vocabulary (Fixture *self);

/* Appends @length bytes as vocab.json spells them. */
void fixture_append_spelling (GString *spelling, const char *bytes, gsize length);

/* config.json and tensors (in memory) of a small optical-gpt or gpt2; @prefix
 * of the names of the latter: "" or "transformer.". */
void fixture_add_optical (Fixture *self, const char *dtype);
void fixture_add_gpt2 (Fixture *self, const char *prefix);
/* A tensor of random values, (rows, columns). */
FixtureTensor *fixture_add_tensor (Fixture *self, const char *name, gsize rows, gsize columns);
FixtureTensor *fixture_find (Fixture *self, const char *name);
/* Six numbers. */
void fixture_add_range (Fixture *self, const char *name, const double *values);
void fixture_remove_tensor (Fixture *self, const char *name);
/* A safetensors file of the tensors @first to @first + @count (-1: all). */
void fixture_write_tensors (Fixture *self, const char *file, guint first, int count);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

G_END_DECLS
