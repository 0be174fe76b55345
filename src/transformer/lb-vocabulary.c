/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-vocabulary.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lb-json.h"
#include "lb-model.h"

/* Checkpoints pad their vocabulary to a multiple of 8, 64 or 128. */
#define MAX_PADDING 127

typedef struct
{
  guint32 left; /* LB_NO_TOKEN: the slot is empty */
  guint32 right;
  guint32 rank;
  guint32 result;
} Merge;

typedef struct
{
  gsize start; /* in the pool */
  guint32 length;
  gboolean used;
} Token;

struct _LbVocabulary
{
  GArray *tokens; /* Token */
  GByteArray *pool;
  guint32 byte_tokens[256];
  Merge *merges; /* open addressing, a power of two of slots */
  gsize merge_mask;
};

/* A pair of neighbours that can be merged. */
typedef struct
{
  guint32 rank;
  guint32 position;
  guint32 left;
  guint32 right;
  guint32 result;
} Candidate;

/* One symbol of a piece: a doubly linked list in arrays. */
typedef struct
{
  guint32 token; /* LB_NO_TOKEN once merged into its left neighbour */
  guint32 previous;
  guint32 next;
} Symbol;

typedef struct
{
  GArray *symbols;
  GArray *heap; /* Candidate, the lowest rank first, then the leftmost */
} Scratch;

/* The byte behind a character of GPT-2's printable alphabet, bytes_to_unicode()
 * of its encoder.py; -1 if it stands for none. */
static int
byte_of_character (gunichar c)
{
  static const guint8 shifted_ranges[][2] = { { 0, 32 }, { 127, 160 }, { 173, 173 } };

  if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255))
    return (int) c;
  if (c < 256)
    return -1;
  c -= 256;
  for (guint i = 0; i < G_N_ELEMENTS (shifted_ranges); i++)
    {
      gunichar count = (gunichar) shifted_ranges[i][1] - shifted_ranges[i][0] + 1;

      if (c < count)
        return (int) (shifted_ranges[i][0] + c);
      c -= count;
    }
  return -1;
}

/* Appends the bytes of a token as vocab.json spells it; characters outside the
 * alphabet (only in special tokens) stand for themselves. */
static void
append_spelling (GByteArray *pool, const char *spelling)
{
  for (const char *p = spelling; *p != '\0'; p = g_utf8_next_char (p))
    {
      int byte = byte_of_character (g_utf8_get_char (p));
      guint8 value = (guint8) byte;

      if (byte >= 0)
        g_byte_array_append (pool, &value, 1);
      else
        g_byte_array_append (pool, (const guint8 *) p, (guint) (g_utf8_next_char (p) - p));
    }
}

static gsize
hash_pair (guint32 left, guint32 right)
{
  guint64 key = ((guint64) left << 32 | right) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  return (gsize) (key ^ key >> 32);
}

static Merge *
find_slot (const LbVocabulary *self, guint32 left, guint32 right)
{
  gsize slot = hash_pair (left, right) & self->merge_mask;

  while (self->merges[slot].left != LB_NO_TOKEN &&
         (self->merges[slot].left != left || self->merges[slot].right != right))
    slot = (slot + 1) & self->merge_mask;
  return &self->merges[slot];
}

static gboolean
add_token (LbVocabulary *self,
           const char *path,
           const char *spelling,
           JsonNode *node,
           guint vocabulary,
           GError **error)
{
  Token token = { self->pool->len, 0, TRUE };
  gint64 id = json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : -1;

  if (id < 0)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: the id of the token “%s” is not a whole number from 0"), path, spelling);
      return FALSE;
    }
  if (id >= vocabulary)
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_SHAPE,
          _ ("%s: the token “%s” has the id %zu, but the model's vocabulary ends at %u: the files are not "
             "of one model"),
          path, spelling, (gsize) id, vocabulary - 1);
      return FALSE;
    }
  if (id >= self->tokens->len)
    g_array_set_size (self->tokens, (guint) id + 1);
  if (g_array_index (self->tokens, Token, id).used)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: two tokens have the id %zu: the file is damaged, fetch it again"), path,
                   (gsize) id);
      return FALSE;
    }
  append_spelling (self->pool, spelling);
  token.length = (guint32) (self->pool->len - token.start);
  g_array_index (self->tokens, Token, id) = token;
  if (token.length == 1)
    self->byte_tokens[self->pool->data[token.start]] = (guint32) id;
  return TRUE;
}

static gboolean
read_tokens (LbVocabulary *self, JsonObject *object, const char *path, guint vocabulary, GError **error)
{
  JsonObjectIter iter;
  const char *spelling;
  JsonNode *node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &spelling, &node))
    if (!add_token (self, path, spelling, node, vocabulary, error))
      return FALSE;
  if (self->tokens->len + MAX_PADDING < vocabulary)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_SHAPE,
                   _ ("%s: has %u tokens, but the model's vocabulary %u: the files are not of one model"),
                   path, self->tokens->len, vocabulary);
      return FALSE;
    }
  for (guint i = 0; i < 256; i++)
    if (self->byte_tokens[i] == LB_NO_TOKEN)
      {
        g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                     _ ("%s: has no token for the byte 0x%02X: not the vocabulary of a byte-level BPE"), path,
                     i);
        return FALSE;
      }
  return TRUE;
}

/* The id of @spelling, LB_NO_TOKEN if it is no token; ids are known to be good. */
static guint32
look_up (JsonObject *object, const char *spelling)
{
  JsonNode *node = json_object_get_member (object, spelling);

  return node != NULL ? (guint32) json_node_get_int (node) : LB_NO_TOKEN;
}

/* One line of merges.txt, "left right". */
static gboolean
add_merge (LbVocabulary *self,
           JsonObject *object,
           const char *path,
           gsize line_number,
           const char *line,
           guint32 rank,
           GError **error)
{
  const char *space = strchr (line, ' ');
  g_autofree char *left = space != NULL ? g_strndup (line, (gsize) (space - line)) : NULL;
  g_autofree char *both = left != NULL ? g_strconcat (left, space + 1, NULL) : NULL;
  guint32 ids[3] = { LB_NO_TOKEN, LB_NO_TOKEN, LB_NO_TOKEN };

  if (both != NULL)
    {
      ids[0] = look_up (object, left);
      ids[1] = look_up (object, space + 1);
      ids[2] = look_up (object, both);
    }
  if (ids[0] == LB_NO_TOKEN || ids[1] == LB_NO_TOKEN || ids[2] == LB_NO_TOKEN)
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
          _ ("%s: line %zu does not join two tokens of vocab.json to a third: the files are not of one "
             "model, or damaged"),
          path, line_number);
      return FALSE;
    }
  *find_slot (self, ids[0], ids[1]) = (Merge){ ids[0], ids[1], rank, ids[2] };
  return TRUE;
}

/* Makes room for @count merges, half empty at least. */
static void
prepare_merges (LbVocabulary *self, gsize count)
{
  gsize slots = 64;

  while (slots < 2 * count)
    slots *= 2;
  self->merge_mask = slots - 1;
  self->merges = g_new (Merge, slots);
  for (gsize i = 0; i < slots; i++)
    self->merges[i].left = LB_NO_TOKEN;
}

/* Every token of more than a byte comes from a merge, but for a few that stand for
 * what is no text. */
static gboolean
check_reach (const LbVocabulary *self, const char *path, GError **error)
{
  g_autofree guint8 *made = g_new0 (guint8, self->tokens->len);
  guint wanted = 0, missing = 0;

  for (gsize slot = 0; slot <= self->merge_mask; slot++)
    if (self->merges[slot].left != LB_NO_TOKEN)
      made[self->merges[slot].result] = 1;
  for (guint id = 0; id < self->tokens->len; id++)
    {
      const Token *token = &g_array_index (self->tokens, Token, id);

      wanted += token->used && token->length > 1;
      missing += token->used && token->length > 1 && !made[id];
    }
  if (missing <= MAX_PADDING)
    return TRUE;
  g_set_error (
      error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
      _ ("%s: makes %u of the %u tokens of vocab.json: it ends too early, or the files are not of one "
         "model"),
      path, wanted - missing, wanted);
  return FALSE;
}

static gboolean
read_merges (LbVocabulary *self,
             JsonObject *object,
             const char *contents,
             gsize length,
             const char *path,
             GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint32 rank = 0;

  if (length > 0 && !g_utf8_validate_len (contents, length, NULL))
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT,
                   _ ("%s: not UTF-8 text: the file is damaged, fetch it again"), path);
      return FALSE;
    }
  /* An empty file has no contents to map. */
  text = g_strndup (length > 0 ? contents : "", length);
  lines = g_strsplit (text, "\n", -1);
  prepare_merges (self, g_strv_length (lines));
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      gsize end = strlen (lines[i]);

      if (end > 0 && lines[i][end - 1] == '\r')
        lines[i][end - 1] = '\0';
      if (lines[i][0] == '\0' || (i == 0 && g_str_has_prefix (lines[i], "#version")))
        continue;
      if (!add_merge (self, object, path, i + 1, lines[i], rank++, error))
        return FALSE;
    }
  return check_reach (self, path, error);
}

LbVocabulary *
lb_vocabulary_parse (const LbVocabularyFile *vocab,
                     const LbVocabularyFile *merges,
                     guint vocabulary,
                     GError **error)
{
  g_autoptr (JsonObject) object =
      lb_json_parse_object (vocab->contents, vocab->length, 1, vocab->path, error);
  g_autoptr (LbVocabulary) self = NULL;

  if (object == NULL)
    return NULL;
  self = g_new0 (LbVocabulary, 1);
  self->tokens = g_array_new (FALSE, TRUE, sizeof (Token));
  self->pool = g_byte_array_new ();
  memset (self->byte_tokens, 0xff, sizeof self->byte_tokens);
  if (!read_tokens (self, object, vocab->path, vocabulary, error) ||
      !read_merges (self, object, merges->contents, merges->length, merges->path, error))
    return NULL;
  return g_steal_pointer (&self);
}

LbVocabulary *
lb_vocabulary_read (const char *directory, guint vocabulary, GError **error)
{
  g_autofree char *vocab_path = g_build_filename (directory, "vocab.json", NULL);
  g_autofree char *merges_path = g_build_filename (directory, "merges.txt", NULL);
  g_autoptr (GMappedFile) vocab = lb_json_map_file (vocab_path, error);
  g_autoptr (GMappedFile) merges = vocab != NULL ? lb_json_map_file (merges_path, error) : NULL;

  if (merges == NULL)
    return NULL;
  return lb_vocabulary_parse (
      &(LbVocabularyFile){ vocab_path, g_mapped_file_get_contents (vocab), g_mapped_file_get_length (vocab) },
      &(LbVocabularyFile){ merges_path, g_mapped_file_get_contents (merges),
                           g_mapped_file_get_length (merges) },
      vocabulary, error);
}

void
lb_vocabulary_free (LbVocabulary *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->tokens);
  g_byte_array_unref (self->pool);
  g_free (self->merges);
  g_free (self);
}

guint
lb_vocabulary_get_size (const LbVocabulary *self)
{
  return self->tokens->len;
}

const guint8 *
lb_vocabulary_get_bytes (const LbVocabulary *self, guint32 token, gsize *length)
{
  const Token *entry;

  *length = 0;
  if (token >= self->tokens->len)
    return NULL;
  entry = &g_array_index (self->tokens, Token, token);
  *length = entry->length;
  return entry->used ? self->pool->data + entry->start : NULL;
}

gpointer
lb_vocabulary_scratch_new (void)
{
  Scratch *scratch = g_new0 (Scratch, 1);

  scratch->symbols = g_array_new (FALSE, FALSE, sizeof (Symbol));
  scratch->heap = g_array_new (FALSE, FALSE, sizeof (Candidate));
  return scratch;
}

void
lb_vocabulary_scratch_free (gpointer scratch)
{
  Scratch *self = scratch;

  g_array_unref (self->symbols);
  g_array_unref (self->heap);
  g_free (self);
}

static gboolean
comes_before (const Candidate *a, const Candidate *b)
{
  return a->rank != b->rank ? a->rank < b->rank : a->position < b->position;
}

static void
push_candidate (GArray *heap, const Candidate *candidate)
{
  guint at = heap->len;
  Candidate *items;

  g_array_append_vals (heap, candidate, 1);
  items = (Candidate *) (gpointer) heap->data;
  while (at > 0 && comes_before (candidate, &items[(at - 1) / 2]))
    {
      items[at] = items[(at - 1) / 2];
      at = (at - 1) / 2;
    }
  items[at] = *candidate;
}

static Candidate
pop_candidate (GArray *heap)
{
  Candidate *items = (Candidate *) (gpointer) heap->data;
  const Candidate first = items[0];
  const Candidate last = items[heap->len - 1];
  guint at = 0, child;

  g_array_set_size (heap, heap->len - 1);
  while ((child = 2 * at + 1) < heap->len)
    {
      if (child + 1 < heap->len && comes_before (&items[child + 1], &items[child]))
        child++;
      if (!comes_before (&items[child], &last))
        break;
      items[at] = items[child];
      at = child;
    }
  if (heap->len > 0)
    items[at] = last;
  return first;
}

/* Puts the pair that starts at @position on the heap if it can be merged. */
static void
consider (const LbVocabulary *self, Scratch *scratch, guint32 position)
{
  const Symbol *symbols = (const Symbol *) (gconstpointer) scratch->symbols->data;
  const Merge *merge;

  if (position == LB_NO_TOKEN || symbols[position].next == LB_NO_TOKEN)
    return;
  merge = find_slot (self, symbols[position].token, symbols[symbols[position].next].token);
  if (merge->left != LB_NO_TOKEN)
    push_candidate (scratch->heap,
                    &(Candidate){ merge->rank, position, merge->left, merge->right, merge->result });
}

static void
apply (const LbVocabulary *self, Scratch *scratch, const Candidate *candidate)
{
  Symbol *symbols = (Symbol *) (gpointer) scratch->symbols->data;
  Symbol *left = &symbols[candidate->position];
  Symbol *right;

  /* Either side may have been merged with another neighbour since. */
  if (left->token != candidate->left || left->next == LB_NO_TOKEN)
    return;
  right = &symbols[left->next];
  if (right->token != candidate->right)
    return;
  left->token = candidate->result;
  left->next = right->next;
  right->token = LB_NO_TOKEN;
  if (left->next != LB_NO_TOKEN)
    symbols[left->next].previous = candidate->position;
  consider (self, scratch, left->previous);
  consider (self, scratch, candidate->position);
}

void
lb_vocabulary_encode (
    const LbVocabulary *self, const char *text, gsize length, gpointer scratch_data, GArray *tokens)
{
  Scratch *scratch = scratch_data;
  Symbol *symbols;

  g_array_set_size (scratch->symbols, (guint) length);
  g_array_set_size (scratch->heap, 0);
  symbols = (Symbol *) (gpointer) scratch->symbols->data;
  for (guint32 i = 0; i < length; i++)
    {
      symbols[i].token = self->byte_tokens[(guint8) text[i]];
      symbols[i].previous = i > 0 ? i - 1 : LB_NO_TOKEN;
      symbols[i].next = i + 1 < length ? i + 1 : LB_NO_TOKEN;
    }
  for (guint32 i = 0; i < length; i++)
    consider (self, scratch, i);
  while (scratch->heap->len > 0)
    {
      const Candidate candidate = pop_candidate (scratch->heap);

      apply (self, scratch, &candidate);
    }
  for (guint32 i = 0; i != LB_NO_TOKEN && length > 0; i = symbols[i].next)
    g_array_append_val (tokens, symbols[i].token);
}
