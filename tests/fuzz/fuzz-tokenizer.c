/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as vocab.json and, behind the first SEPARATOR, merges.txt: an error,
 * or a vocabulary that gives back what it encodes. */
#include <lb-pretokenizer.h>
#include <lb-vocabulary.h>
#include <string.h>

#include "fuzz.h"

#define SEPARATOR "\n====\n"
#define VOCABULARY 300

static void
check_round_trip (const LbVocabulary *vocabulary, const char *text, gsize length)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GByteArray) back = g_byte_array_new ();
  gpointer scratch = lb_vocabulary_scratch_new ();

  lb_vocabulary_encode (vocabulary, text, length, scratch, tokens);
  for (guint i = 0; i < tokens->len; i++)
    {
      gsize size;
      const guint8 *bytes = lb_vocabulary_get_bytes (vocabulary, g_array_index (tokens, guint32, i), &size);

      g_assert_nonnull (bytes);
      g_byte_array_append (back, bytes, (guint) size);
    }
  g_assert_cmpmem (back->data, back->len, text, length);
  lb_vocabulary_scratch_free (scratch);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;
  const char *separator = size > 0 ? memmem (text, size, SEPARATOR, strlen (SEPARATOR)) : NULL;
  const gsize vocab_length = separator != NULL ? (gsize) (separator - text) : size;
  LbVocabularyFile vocab = { "vocab.json", text, vocab_length };
  LbVocabularyFile merges = { "merges.txt", "", 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbVocabulary) vocabulary = NULL;

  if (separator != NULL)
    {
      merges.contents = separator + strlen (SEPARATOR);
      merges.length = size - vocab_length - strlen (SEPARATOR);
    }
  vocabulary = lb_vocabulary_parse (&vocab, &merges, VOCABULARY, &error);
  g_assert_true ((vocabulary == NULL) == (error != NULL));
  if (vocabulary == NULL)
    return 0;

  check_round_trip (vocabulary, text, MIN (size, 4096));
  if (g_utf8_validate_len (text, size, NULL))
    for (gsize at = 0; at < size;)
      {
        gsize length = lb_pretokenizer_next (text + at, size - at);

        g_assert_true (length > 0 && length <= size - at);
        at += length;
      }
  return 0;
}
