/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <lb-model.h>
#include <lb-npy.h>
#include <lb-pretokenizer.h>
#include <lb-tokenizer.h>
#include <string.h>

#include "model-fixture.h"

static LbTokenizer *
open_shipped (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open_named (NULL, &error);
  LbTokenizer *tokenizer;

  g_assert_no_error (error);
  tokenizer =
      lb_tokenizer_new (lb_model_get_directory (model), lb_model_get_config (model)->vocabulary, &error);
  g_assert_no_error (error);
  return tokenizer;
}

static GArray *
encode (LbTokenizer *tokenizer, const char *text, gssize length)
{
  g_autoptr (GError) error = NULL;
  GArray *tokens = lb_tokenizer_encode (tokenizer, text, length, &error);

  g_assert_no_error (error);
  return tokens;
}

static void
test_reference_text (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autofree char *text_path = fixture_reference ("text.txt");
  g_autofree char *tokens_path = fixture_reference ("tokens.npy");
  g_autofree char *text = NULL;
  g_autoptr (LbNpy) expected = lb_npy_read (tokens_path, NULL);
  g_autoptr (GArray) tokens = NULL;

  g_assert_true (g_file_get_contents (text_path, &text, NULL, NULL));
  g_assert_nonnull (expected);
  tokens = encode (tokenizer, text, -1);
  g_assert_cmpuint (lb_tokenizer_get_size (tokenizer), ==, 2048);
  g_assert_cmpuint (tokens->len, >=, 128);
  g_assert_cmpuint (expected->count, ==, 128);
  for (guint i = 0; i < 128; i++)
    g_assert_cmpuint (g_array_index (tokens, guint32, i), ==, (guint32) expected->values[i]);
}

static void
test_reference_cases (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autofree char *path = fixture_reference ("tokenizer-cases.json");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GArray) tokens = NULL;
  g_autofree char *back = NULL;
  JsonObject *object;
  JsonArray *ids;
  const char *text;

  g_assert_true (json_parser_load_from_file (parser, path, NULL));
  object = json_node_get_object (json_parser_get_root (parser));
  ids = json_object_get_array_member (object, "ids");
  text = json_object_get_string_member (object, "text");
  tokens = encode (tokenizer, text, -1);
  g_assert_cmpuint (tokens->len, ==, json_array_get_length (ids));
  for (guint i = 0; i < tokens->len; i++)
    g_assert_cmpuint (g_array_index (tokens, guint32, i), ==, (guint32) json_array_get_int_element (ids, i));
  back = lb_tokenizer_decode (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
  g_assert_cmpstr (back, ==, text);
}

static void
assert_pieces (const char *text, const char *const *pieces)
{
  gsize length = strlen (text), at = 0;

  for (guint i = 0; pieces[i] != NULL; i++)
    {
      gsize step = lb_pretokenizer_next (text + at, length - at);
      g_autofree char *piece = g_strndup (text + at, step);

      g_assert_cmpstr (piece, ==, pieces[i]);
      at += step;
    }
  g_assert_cmpuint (at, ==, length);
}

#define PIECES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_pieces (void)
{
  assert_pieces ("it's we'll I'M 'tis", PIECES ("it", "'s", " we", "'ll", " I", "'", "M", " '", "tis"));
  assert_pieces ("they're ''s'd", PIECES ("they", "'re", " ''", "s", "'d"));
  assert_pieces ("a  b", PIECES ("a", " ", " b"));
  assert_pieces ("a \n b", PIECES ("a", " \n", " b"));
  assert_pieces ("a \nb", PIECES ("a", " ", "\n", "b"));
  assert_pieces ("end  \t", PIECES ("end", "  \t"));
  assert_pieces ("x² 3.14 ⅷ", PIECES ("x", "²", " 3", ".", "14", " ⅷ"));
  assert_pieces ("日本語。Ǆé", PIECES ("日本語", "。", "Ǆé"));
  /* A combining mark is neither letter nor number; U+00A0 and U+3000 are space, U+200B and U+180E are not. */
  assert_pieces ("e\u0301a", PIECES ("e", "\u0301", "a"));
  assert_pieces ("a\u00a0b\u3000\u3000c", PIECES ("a", "\u00a0", "b", "\u3000", "\u3000", "c"));
  assert_pieces ("a\u200bb\u180ec", PIECES ("a", "\u200b", "b", "\u180e", "c"));
  assert_pieces ("\x1c\x1d a", PIECES ("\x1c\x1d", " a"));
}

/* Random text from characters of every kind, in runs. */
static char *
make_text (GRand *rand, guint characters)
{
  static const gunichar odd[] = { ' ',   ' ',    '\n',    '\t',   '\r',   '\'',     's',  't',    'r',   'e',
                                  'v',   'm',    'l',     'd',    'S',    '1',      '9',  '.',    ',',   '-',
                                  0xa0,  0x85,   0x2028,  0x3000, 0x200b, 0x301,    0xb2, 0x2167, 0x660, 0xe9,
                                  0x3b1, 0x4e2d, 0x1f600, 0x5d0,  0xfffd, 0x10ffff, 0x1c, 0x7f,   0x1 };
  GString *text = g_string_new (NULL);

  while (characters-- > 0)
    {
      gunichar c = odd[g_rand_int_range (rand, 0, G_N_ELEMENTS (odd))];

      if (g_rand_int_range (rand, 0, 5) == 0)
        do
          /* Behind these, the tables of GLib and PCRE2 are of different versions of Unicode. */
          c = (gunichar) g_rand_int_range (rand, 1, 0x10c00);
        while (!g_unichar_validate (c) || g_unichar_type (c) == G_UNICODE_UNASSIGNED);
      for (int n = g_rand_int_range (rand, 1, 4); n > 0; n--)
        g_string_append_unichar (text, c);
    }
  return g_string_free (text, FALSE);
}

/* The original pattern, by PCRE2. */
static GRegex *
new_pattern (void)
{
  g_autoptr (GError) error = NULL;
  GRegex *regex =
      g_regex_new ("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\p{White_Space}\\p{L}\\p{N}]+"
                   "|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+",
                   0, 0, &error);

  g_assert_no_error (error);
  return regex;
}

static void
test_pattern (void)
{
  g_autoptr (GRegex) regex = new_pattern ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint round = 0; round < 2000; round++)
    {
      g_autofree char *text = make_text (rand, 12);
      g_autoptr (GMatchInfo) match = NULL;
      gsize length = strlen (text), at = 0;

      g_regex_match (regex, text, 0, &match);
      while (at < length)
        {
          int start, end;

          g_assert_true (g_match_info_fetch_pos (match, 0, &start, &end));
          g_assert_cmpint (start, ==, (int) at);
          at += lb_pretokenizer_next (text + at, length - at);
          g_assert_cmpint (end, ==, (int) at);
          g_match_info_next (match, NULL);
        }
      g_assert_false (g_match_info_matches (match));
    }
}

/* Merges as encoder.py does: all places of the pair that merges.txt has first,
 * from the left, until there is none. */
static GPtrArray *
merge_plainly (GHashTable *ranks, const char *spelling)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);

  for (const char *p = spelling; *p != '\0'; p = g_utf8_next_char (p))
    g_ptr_array_add (parts, g_strndup (p, (gsize) (g_utf8_next_char (p) - p)));
  while (TRUE)
    {
      guint best = G_MAXUINT;
      g_autofree char *best_pair = NULL;

      for (guint i = 0; i + 1 < parts->len; i++)
        {
          g_autofree char *pair =
              g_strdup_printf ("%s %s", (char *) parts->pdata[i], (char *) parts->pdata[i + 1]);
          guint rank = GPOINTER_TO_UINT (g_hash_table_lookup (ranks, pair));

          if (rank != 0 && rank < best)
            {
              best = rank;
              g_free (best_pair);
              best_pair = g_steal_pointer (&pair);
            }
        }
      if (best_pair == NULL)
        return parts;
      for (guint i = 0; i + 1 < parts->len; i++)
        {
          g_autofree char *pair =
              g_strdup_printf ("%s %s", (char *) parts->pdata[i], (char *) parts->pdata[i + 1]);

          if (strcmp (pair, best_pair) == 0)
            {
              char *joined = g_strconcat (parts->pdata[i], parts->pdata[i + 1], NULL);

              g_ptr_array_remove_index (parts, i + 1);
              g_free (parts->pdata[i]);
              parts->pdata[i] = joined;
            }
        }
    }
}

/* The shipped model's files, read plainly. */
typedef struct
{
  GHashTable *ranks; /* "left right" -> line */
  char **lines;      /* of merges.txt */
  JsonParser *parser;
  JsonObject *vocab;
} PlainFiles;

static void
plain_files_clear (PlainFiles *self)
{
  g_hash_table_unref (self->ranks);
  g_strfreev (self->lines);
  g_object_unref (self->parser);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PlainFiles, plain_files_clear)

static void
plain_files_read (PlainFiles *self)
{
  g_autoptr (LbModel) model = lb_model_open_named (NULL, NULL);
  g_autofree char *merges_path = g_build_filename (lb_model_get_directory (model), "merges.txt", NULL);
  g_autofree char *vocab_path = g_build_filename (lb_model_get_directory (model), "vocab.json", NULL);
  g_autofree char *merges = NULL;

  self->parser = json_parser_new ();
  g_assert_true (g_file_get_contents (merges_path, &merges, NULL, NULL));
  g_assert_true (json_parser_load_from_file (self->parser, vocab_path, NULL));
  self->vocab = json_node_get_object (json_parser_get_root (self->parser));
  self->lines = g_strsplit (merges, "\n", -1);
  self->ranks = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 1; self->lines[i] != NULL; i++)
    g_hash_table_insert (self->ranks, self->lines[i], GUINT_TO_POINTER (i));
}

/* Appends the ids (guint32) of one piece of text. */
static void
encode_plainly (const PlainFiles *files, const char *piece, gsize length, GArray *tokens)
{
  g_autoptr (GString) spelling = g_string_new (NULL);
  g_autoptr (GPtrArray) parts = NULL;

  fixture_append_spelling (spelling, piece, length);
  parts = merge_plainly (files->ranks, spelling->str);
  for (guint i = 0; i < parts->len; i++)
    {
      guint32 token = (guint32) json_object_get_int_member (files->vocab, parts->pdata[i]);

      g_array_append_val (tokens, token);
    }
}

static void
assert_same_tokens (const GArray *tokens, const GArray *expected)
{
  g_assert_cmpmem (tokens->data, tokens->len * sizeof (guint32), expected->data,
                   expected->len * sizeof (guint32));
}

static void
test_merges (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_auto (PlainFiles) files = { 0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  plain_files_read (&files);
  for (guint round = 0; round < 300; round++)
    {
      /* A word that merges: parts of random merges, letters alone. */
      g_autoptr (GString) word = g_string_new (NULL);
      g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (guint32));
      g_autoptr (GArray) tokens = NULL;

      for (guint i = 0; i < 6; i++)
        for (const char *p = files.lines[g_rand_int_range (rand, 1, 1700)]; *p != '\0'; p++)
          if (g_ascii_isalpha (*p))
            g_string_append_c (word, *p);
      if (word->len == 0)
        continue;
      encode_plainly (&files, word->str, word->len, expected);
      tokens = encode (tokenizer, word->str, -1);
      assert_same_tokens (tokens, expected);
    }
}

/* Split by PCRE2, spelt and merged plainly. */
static void
test_random_text (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_auto (PlainFiles) files = { 0 };
  g_autoptr (GRegex) regex = new_pattern ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (19);

  plain_files_read (&files);
  for (guint round = 0; round < 400; round++)
    {
      g_autofree char *text = make_text (rand, 20);
      g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (guint32));
      g_autoptr (GArray) tokens = encode (tokenizer, text, -1);
      g_autofree char *back =
          lb_tokenizer_decode (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
      g_autoptr (GMatchInfo) match = NULL;

      for (g_regex_match (regex, text, 0, &match); g_match_info_matches (match);
           g_match_info_next (match, NULL))
        {
          int start, end;

          g_assert_true (g_match_info_fetch_pos (match, 0, &start, &end));
          encode_plainly (&files, text + start, (gsize) (end - start), expected);
        }
      assert_same_tokens (tokens, expected);
      g_assert_cmpstr (back, ==, text);
    }
}

static void
test_round_trip (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (13);

  for (guint round = 0; round < 200; round++)
    {
      g_autofree char *text = make_text (rand, 40);
      gsize length = strlen (text);
      g_autoptr (GArray) tokens = NULL;
      g_autoptr (GBytes) bytes = NULL;

      /* U+0000 is a character like any other. */
      for (gsize i = 0; i < length; i++)
        if (text[i] == '9')
          text[i] = '\0';
      tokens = encode (tokenizer, text, (gssize) length);
      bytes =
          lb_tokenizer_decode_bytes (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
      g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), text, length);
    }
}

static void
assert_decoded (const char *bytes, const char *expected)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autofree char *text = NULL;

  /* The first 256 ids of this vocabulary are the bytes in order. */
  for (const char *p = bytes; *p != '\0'; p++)
    {
      guint32 token = (guint8) *p;

      g_array_append_val (tokens, token);
    }
  text = lb_tokenizer_decode (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_decode (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  const guint32 unknown[] = { 'a', 999999, 'b', 0 };
  g_autofree char *text = NULL;

  assert_decoded ("a\xc3\xa9z", "aéz");
  assert_decoded ("a\xc3z", "a\uFFFDz");
  assert_decoded ("\xe2\x82", "\uFFFD");
  assert_decoded ("\xe2\x82\xac\xe2", "€\uFFFD");
  assert_decoded ("\xf0\x9f\x98\x80\xff\xfe", "😀\uFFFD\uFFFD");
  /* Overlong, surrogate, beyond U+10FFFF: a replacement for each byte, as none starts a character. */
  assert_decoded ("\xc0\x80", "\uFFFD\uFFFD");
  assert_decoded ("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD");
  assert_decoded ("\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD");

  text = lb_tokenizer_decode (tokenizer, unknown, G_N_ELEMENTS (unknown));
  g_assert_cmpstr (text, ==, "a\uFFFDb\uFFFD");
}

static void
assert_label (LbTokenizer *tokenizer, const char *text, const char *expected)
{
  g_autoptr (GArray) tokens = encode (tokenizer, text, -1);
  g_autofree char *label = lb_tokenizer_label (tokenizer, g_array_index (tokens, guint32, 0));

  g_assert_cmpuint (tokens->len, >=, 1);
  g_assert_cmpstr (label, ==, expected);
}

static void
test_label (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autofree char *none = lb_tokenizer_label (tokenizer, 4000000);

  assert_label (tokenizer, " the", "·the");
  assert_label (tokenizer, "\n", "␊");
  assert_label (tokenizer, "\x7f", "␡");
  assert_label (tokenizer, "\xf0\x9f\x98\x80", "<F0>");
  g_assert_cmpstr (none, ==, "<4000000>");
}

static void
test_not_utf8 (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_tokenizer_encode (tokenizer,
                                      "good\0\xff"
                                      "bad",
                                      9, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
  g_assert_nonnull (strstr (error->message, "byte 5"));
}

/* Quadratic time would take hours. */
static void
test_long_word (void)
{
  g_autoptr (LbTokenizer) tokenizer = open_shipped ();
  const gsize length = 400000;
  g_autofree char *word = g_malloc (length);
  g_autoptr (GArray) tokens = NULL;
  g_autoptr (GBytes) back = NULL;

  for (gsize i = 0; i < length; i++)
    word[i] = "there"[i % 5];
  tokens = encode (tokenizer, word, (gssize) length);
  g_assert_cmpuint (tokens->len, <, length / 2);
  back = lb_tokenizer_decode_bytes (tokenizer, (const guint32 *) (gconstpointer) tokens->data, tokens->len);
  g_assert_cmpmem (g_bytes_get_data (back, NULL), g_bytes_get_size (back), word, length);
}

typedef struct
{
  const char *vocab; /* NULL: none; "": as the fixture writes it */
  const char *merges;
  guint vocabulary;
  int code;
  const char *part; /* of the message */
} BadFiles;

static void
test_bad_files (void)
{
  static const BadFiles cases[] = {
    { NULL, "", 260, LB_MODEL_ERROR_MISSING, "vocab.json" },
    { "", NULL, 260, LB_MODEL_ERROR_MISSING, "merges.txt" },
    { "", "", 200, LB_MODEL_ERROR_SHAPE, "ends at 199" },
    { "", "", 4096, LB_MODEL_ERROR_SHAPE, "4096" },
    { "{\"a\": 1", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "[1, 2]", "", 260, LB_MODEL_ERROR_FORMAT, "object" },
    { "{\"a\": {\"b\": 1}}", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "{\"a\": -1}", "", 260, LB_MODEL_ERROR_FORMAT, "whole number" },
    { "{\"a\": 1.5}", "", 260, LB_MODEL_ERROR_FORMAT, "whole number" },
    { "{\"a\": 3, \"b\": 3}", "", 260, LB_MODEL_ERROR_FORMAT, "two tokens" },
    { "{\"a\": 3, \"b\": 5}", "", 120, LB_MODEL_ERROR_FORMAT, "byte 0x00" },
    { "{\"\\ud800\": 3}", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "{\"\\ud800\\u0041\": 3}", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "{'a': 3}", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "{\"a\": 3, /* no */ \"b\": 4}", "", 260, LB_MODEL_ERROR_FORMAT, "JSON" },
    { "", "#version: 0.2\na b\nquick brown\n", 260, LB_MODEL_ERROR_FORMAT, "line 3" },
    { "{\"a\": 3, \"a\": 4}", "", 260, LB_MODEL_ERROR_FORMAT, "“a” stands twice" },
    { "", "#version: 0.2\na  b\n", 260, LB_MODEL_ERROR_FORMAT, "line 2" },
    { "", "#version: 0.2\na b c\n", 260, LB_MODEL_ERROR_FORMAT, "line 2" },
    { "", "#version: 0.2\na c\n", 260, LB_MODEL_ERROR_FORMAT, "line 2" },
    { "", "#version: 0.2\nab\n", 260, LB_MODEL_ERROR_FORMAT, "line 2" },
    { "", "#version: 0.2\na \xff\n", 260, LB_MODEL_ERROR_FORMAT, "UTF-8" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (LbTokenizer) tokenizer = NULL;

      fixture_write_vocabulary (fixture);
      if (cases[i].vocab == NULL)
        fixture_remove_file (fixture, "vocab.json");
      else if (*cases[i].vocab != '\0')
        fixture_write_file (fixture, "vocab.json", cases[i].vocab, -1);
      if (cases[i].merges == NULL)
        fixture_remove_file (fixture, "merges.txt");
      else if (*cases[i].merges != '\0')
        fixture_write_file (fixture, "merges.txt", cases[i].merges, -1);
      tokenizer = lb_tokenizer_new (fixture->directory, cases[i].vocabulary, &error);
      g_assert_null (tokenizer);
      g_assert_error (error, LB_MODEL_ERROR, cases[i].code);
      g_assert_nonnull (strstr (error->message, cases[i].part));
      g_assert_null (strchr (error->message, '\n'));
    }
}

/* The first lines of merges.txt alone, down to none. */
static void
test_cut_merges (void)
{
  g_autoptr (LbModel) model = lb_model_open_named (NULL, NULL);
  g_autofree char *folder = g_dir_make_tmp ("lightbench-XXXXXX", NULL);
  g_autofree char *vocab = g_build_filename (lb_model_get_directory (model), "vocab.json", NULL);
  g_autofree char *merges = g_build_filename (lb_model_get_directory (model), "merges.txt", NULL);
  g_autofree char *vocab_copy = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *merges_copy = g_build_filename (folder, "merges.txt", NULL);
  g_autofree char *text = NULL;
  const char *rest;

  g_assert_true (g_file_get_contents (vocab, &text, NULL, NULL));
  g_assert_true (g_file_set_contents (vocab_copy, text, -1, NULL));
  g_clear_pointer (&text, g_free);
  g_assert_true (g_file_get_contents (merges, &text, NULL, NULL));
  rest = text;
  for (guint lines = 0; lines < 1000; lines += 500)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (merges_copy, text, rest - text, NULL));
      g_assert_null (lb_tokenizer_new (folder, lb_model_get_config (model)->vocabulary, &error));
      g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_FORMAT);
      g_assert_nonnull (strstr (error->message, "merges.txt"));
      for (guint line = 0; line < 500; line++)
        rest = strchr (rest, '\n') + 1;
    }
  g_unlink (vocab_copy);
  g_unlink (merges_copy);
  g_rmdir (folder);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/transformer/tokenizer/text-gives-the-tokens-of-the-reference", test_reference_text);
  g_test_add_func ("/transformer/tokenizer/awkward-characters-give-the-tokens-of-the-reference",
                   test_reference_cases);
  g_test_add_func ("/transformer/tokenizer/text-is-split-as-by-gpt2", test_pieces);
  g_test_add_func ("/transformer/tokenizer/random-text-is-split-as-by-the-original-pattern", test_pattern);
  g_test_add_func ("/transformer/tokenizer/cut-merges-are-refused", test_cut_merges);
  g_test_add_func ("/transformer/tokenizer/merges-equal-the-plain-algorithm", test_merges);
  g_test_add_func ("/transformer/tokenizer/random-text-gives-the-tokens-of-the-plain-algorithm",
                   test_random_text);
  g_test_add_func ("/transformer/tokenizer/any-text-survives-the-round-trip", test_round_trip);
  g_test_add_func ("/transformer/tokenizer/broken-characters-decode-to-replacements", test_decode);
  g_test_add_func ("/transformer/tokenizer/labels-show-what-cannot-be-seen", test_label);
  g_test_add_func ("/transformer/tokenizer/text-that-is-not-utf8-is-refused", test_not_utf8);
  g_test_add_func ("/transformer/tokenizer/a-very-long-word-takes-no-quadratic-time", test_long_word);
  g_test_add_func ("/transformer/tokenizer/damaged-files-give-one-clear-line", test_bad_files);

  return g_test_run ();
}
