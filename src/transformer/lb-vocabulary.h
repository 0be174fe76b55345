/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Private to this library: the tokens of a byte-level BPE and the merges that
 * make them. Immutable once read.
 */
typedef struct _LbVocabulary LbVocabulary;

/* No token, or no merge. */
#define LB_NO_TOKEN G_MAXUINT32

/* A file in memory; @contents is NULL where @length is 0. */
typedef struct
{
  const char *path; /* for the messages */
  const char *contents;
  gsize length;
} LbVocabularyFile;

/* Makes a vocabulary of the contents of both files; see lb_tokenizer_new(). */
LbVocabulary *lb_vocabulary_parse (const LbVocabularyFile *vocab,
                                   const LbVocabularyFile *merges,
                                   guint vocabulary,
                                   GError **error);
/* Reads vocab.json and merges.txt of @directory; see lb_tokenizer_new(). */
LbVocabulary *lb_vocabulary_read (const char *directory, guint vocabulary, GError **error);
void lb_vocabulary_free (LbVocabulary *self);
/* The largest id and one. */
guint lb_vocabulary_get_size (const LbVocabulary *self);
/* Bytes of a token; NULL and 0 where there is none of that id. */
const guint8 *lb_vocabulary_get_bytes (const LbVocabulary *self, guint32 token, gsize *length);
/* Appends the ids (guint32) of one piece of text to @tokens. @scratch: from
 * lb_vocabulary_scratch_new(), one a thread, used again from call to call. */
void lb_vocabulary_encode (
    const LbVocabulary *self, const char *text, gsize length, gpointer scratch, GArray *tokens);
gpointer lb_vocabulary_scratch_new (void);
void lb_vocabulary_scratch_free (gpointer scratch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbVocabulary, lb_vocabulary_free)

G_END_DECLS
