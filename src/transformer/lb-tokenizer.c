/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-tokenizer.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-model.h"
#include "lb-pretokenizer.h"
#include "lb-vocabulary.h"

/* Pieces that come again are not merged again; the longest and the most that
 * are remembered. */
#define MAX_REMEMBERED_LENGTH 64
#define MAX_REMEMBERED (1 << 17)

#define REPLACEMENT 0xfffd

struct _LbTokenizer
{
  GObject parent_instance;

  LbVocabulary *vocabulary;
};

G_DEFINE_FINAL_TYPE (LbTokenizer, lb_tokenizer, G_TYPE_OBJECT)

static void
lb_tokenizer_finalize (GObject *object)
{
  LbTokenizer *self = LB_TOKENIZER (object);

  g_clear_pointer (&self->vocabulary, lb_vocabulary_free);

  G_OBJECT_CLASS (lb_tokenizer_parent_class)->finalize (object);
}

static void
lb_tokenizer_class_init (LbTokenizerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_tokenizer_finalize;
}

static void
lb_tokenizer_init (LbTokenizer *self)
{
}

LbTokenizer *
lb_tokenizer_new (const char *directory, guint vocabulary, GError **error)
{
  g_autoptr (LbVocabulary) tokens = NULL;
  LbTokenizer *self;

  g_return_val_if_fail (directory != NULL, NULL);
  g_return_val_if_fail (vocabulary > 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  tokens = lb_vocabulary_read (directory, vocabulary, error);
  if (tokens == NULL)
    return NULL;
  self = g_object_new (LB_TYPE_TOKENIZER, NULL);
  self->vocabulary = g_steal_pointer (&tokens);
  return self;
}

/* A piece of the text, and where its tokens stand in the result. */
typedef struct
{
  const char *text;
  gsize length;
  guint first;
  guint count;
} Piece;

/* FNV-1a (Fowler, Noll, Vo). */
static guint
piece_hash (gconstpointer key)
{
  const Piece *piece = key;
  guint32 hash = 2166136261u;

  for (gsize i = 0; i < piece->length; i++)
    hash = (hash ^ (guint8) piece->text[i]) * 16777619u;
  return hash;
}

static gboolean
piece_equal (gconstpointer a, gconstpointer b)
{
  const Piece *one = a, *two = b;

  return one->length == two->length && memcmp (one->text, two->text, one->length) == 0;
}

/* g_utf8_validate_len() that lets U+0000 pass. */
static gboolean
is_utf8 (const char *text, gsize length, gsize *bad_byte)
{
  const char *at = text, *end = text + length;

  while (at < end)
    {
      const char *stop;

      if (g_utf8_validate_len (at, (gsize) (end - at), &stop))
        return TRUE;
      if (*stop != '\0')
        {
          *bad_byte = (gsize) (stop - text);
          return FALSE;
        }
      at = stop + 1;
    }
  return TRUE;
}

static void
encode_piece (LbTokenizer *self, const Piece *piece, GHashTable *known, gpointer scratch, GArray *tokens)
{
  const Piece *same = g_hash_table_lookup (known, piece);
  guint first = tokens->len;

  if (same != NULL)
    {
      /* The array may move as it grows, so its own values are not appended by pointer. */
      g_array_set_size (tokens, first + same->count);
      memcpy (&g_array_index (tokens, guint32, first), &g_array_index (tokens, guint32, same->first),
              same->count * sizeof (guint32));
      return;
    }
  lb_vocabulary_encode (self->vocabulary, piece->text, piece->length, scratch, tokens);
  if (piece->length <= MAX_REMEMBERED_LENGTH && g_hash_table_size (known) < MAX_REMEMBERED)
    {
      Piece *entry = g_memdup2 (piece, sizeof *piece);

      entry->first = first;
      entry->count = tokens->len - first;
      g_hash_table_add (known, entry);
    }
}

GArray *
lb_tokenizer_encode (LbTokenizer *self, const char *text, gssize length, GError **error)
{
  g_autoptr (GHashTable) known = NULL;
  g_autoptr (GArray) tokens = NULL;
  gpointer scratch;
  gsize size, bad_byte;

  g_return_val_if_fail (LB_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  size = length >= 0 ? (gsize) length : strlen (text);
  if (size > G_MAXINT32)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("The text is %zu bytes long, at most %d are read at once: split it"), size, G_MAXINT32);
      return NULL;
    }
  if (!is_utf8 (text, size, &bad_byte))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("The text is not UTF-8 from byte %zu on: convert it to UTF-8"), bad_byte);
      return NULL;
    }

  tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  known = g_hash_table_new_full (piece_hash, piece_equal, g_free, NULL);
  scratch = lb_vocabulary_scratch_new ();
  for (gsize at = 0; at < size;)
    {
      const Piece piece = { text + at, lb_pretokenizer_next (text + at, size - at), 0, 0 };

      encode_piece (self, &piece, known, scratch, tokens);
      at += piece.length;
    }
  lb_vocabulary_scratch_free (scratch);
  return g_steal_pointer (&tokens);
}

GBytes *
lb_tokenizer_decode_bytes (LbTokenizer *self, const guint32 *tokens, gsize count)
{
  GByteArray *bytes;

  g_return_val_if_fail (LB_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);

  bytes = g_byte_array_new ();
  for (gsize i = 0; i < count; i++)
    {
      gsize length;
      const guint8 *token = lb_vocabulary_get_bytes (self->vocabulary, tokens[i], &length);

      if (token != NULL)
        g_byte_array_append (bytes, token, (guint) length);
    }
  return g_byte_array_free_to_bytes (bytes);
}

/*
 * The first character of @bytes, or REPLACEMENT and @valid FALSE for the longest
 * start of a character that is not completed (the Unicode Standard, section
 * 3.9, "U+FFFD substitution of maximal subparts"). Returns its length in bytes.
 */
static gsize
next_character (const guint8 *bytes, gsize length, gunichar *c, gboolean *valid)
{
  const guint8 lead = bytes[0];
  const gsize following = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
  guint8 low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  guint8 high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

  *valid = TRUE;
  *c = following == 0 ? lead : lead & (0x3fu >> following);
  for (gsize i = 1; i <= following; i++)
    {
      if (i == length || bytes[i] < low || bytes[i] > high)
        {
          *valid = FALSE;
          *c = REPLACEMENT;
          return i;
        }
      *c = *c << 6 | (bytes[i] & 0x3f);
      low = 0x80;
      high = 0xbf;
    }
  if (lead >= 0x80 && following == 0)
    {
      *valid = FALSE;
      *c = REPLACEMENT;
    }
  return 1 + following;
}

char *
lb_tokenizer_decode (LbTokenizer *self, const guint32 *tokens, gsize count)
{
  g_autoptr (GByteArray) pending = NULL;
  GString *text;

  g_return_val_if_fail (LB_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (tokens != NULL || count == 0, NULL);

  pending = g_byte_array_new ();
  text = g_string_new (NULL);
  for (gsize i = 0; i < count; i++)
    {
      /* Never part of a character, so it becomes one replacement. */
      static const guint8 no_token = 0xff;
      gsize length;
      const guint8 *bytes = lb_vocabulary_get_bytes (self->vocabulary, tokens[i], &length);

      g_byte_array_append (pending, bytes != NULL ? bytes : &no_token, bytes != NULL ? (guint) length : 1);
    }
  for (gsize at = 0; at < pending->len;)
    {
      gunichar c;
      gboolean valid;

      at += next_character (pending->data + at, pending->len - at, &c, &valid);
      g_string_append_unichar (text, c != 0 ? c : REPLACEMENT);
    }
  return g_string_free (text, FALSE);
}

static void
append_label (GString *label, gunichar c)
{
  if (c == ' ')
    g_string_append (label, "·");
  else if (c < 0x20)
    g_string_append_unichar (label, 0x2400 + c);
  else if (c == 0x7f)
    g_string_append (label, "␡");
  else if (g_unichar_isprint (c) || g_unichar_ismark (c))
    g_string_append_unichar (label, c);
  else
    g_string_append_printf (label, "<U+%04X>", c);
}

char *
lb_tokenizer_label (LbTokenizer *self, guint32 token)
{
  GString *label;
  const guint8 *bytes;
  gsize length;

  g_return_val_if_fail (LB_IS_TOKENIZER (self), NULL);

  bytes = lb_vocabulary_get_bytes (self->vocabulary, token, &length);
  if (bytes == NULL)
    return g_strdup_printf ("<%u>", token);
  label = g_string_new (NULL);
  for (gsize at = 0; at < length;)
    {
      gunichar c;
      gboolean valid;
      gsize step = next_character (bytes + at, length - at, &c, &valid);

      for (gsize i = at; i < at + step && !valid; i++)
        g_string_append_printf (label, "<%02X>", bytes[i]);
      if (valid)
        append_label (label, c);
      at += step;
    }
  return g_string_free (label, FALSE);
}

guint
lb_tokenizer_get_size (LbTokenizer *self)
{
  g_return_val_if_fail (LB_IS_TOKENIZER (self), 0);

  return lb_vocabulary_get_size (self->vocabulary);
}
