/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "optics-fixture.h"

static LbLayout *
new_layout (LbOpticsModel *model, gsize length, gboolean paired, guint max_slots)
{
  g_autoptr (GError) error = NULL;
  LbLayout *layout = lb_layout_new (model, length, paired, max_slots, &error);

  g_assert_no_error (error);
  return layout;
}

/* Owner of each cell: tile + 1, -1 bright, -2 dark, 0 nobody. */
static gint32 *
new_owners (const LbLayout *layout)
{
  gint32 *owners = g_new0 (gint32, lb_optics_model_cells (layout->model));

  for (guint i = 0; i < layout->bright_cells->len; i++)
    owners[g_array_index (layout->bright_cells, guint32, i)] = -1;
  for (guint i = 0; i < layout->dark_cells->len; i++)
    {
      gint32 *owner = &owners[g_array_index (layout->dark_cells, guint32, i)];

      g_assert_cmpint (*owner, ==, 0);
      *owner = -2;
    }
  for (guint t = 0; t < layout->n_tiles; t++)
    for (gsize i = 0; i < layout->segment_length; i++)
      {
        gint32 *owner = &owners[layout->tiles[t].cells[i]];

        g_assert_cmpint (*owner, ==, 0);
        *owner = (gint32) t + 1;
      }
  return owners;
}

static void
check_apart (const LbLayout *layout)
{
  const LbOpticsModel *model = layout->model;
  const int guard = (int) model->guard;
  g_autofree gint32 *owners = new_owners (layout);

  for (int y = 0; y < (int) model->rows; y++)
    for (int x = 0; x < (int) model->columns; x++)
      {
        const gint32 owner = owners[y * (int) model->columns + x];

        if (owner == 0)
          continue;
        for (int dy = -guard; dy <= guard; dy++)
          for (int dx = -guard; dx <= guard; dx++)
            if (y + dy >= 0 && x + dx >= 0 && y + dy < (int) model->rows && x + dx < (int) model->columns)
              {
                const gint32 other = owners[(y + dy) * (int) model->columns + x + dx];

                g_assert_true (other == 0 || other == owner);
              }
      }
}

static void
test_apart (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();

  for (gsize length = 1; length <= 1024; length *= 4)
    {
      g_autoptr (LbLayout) single = new_layout (model, length, FALSE, 0);
      g_autoptr (LbLayout) paired = new_layout (model, length, TRUE, 0);

      check_apart (single);
      check_apart (paired);
      g_assert_cmpuint (paired->n_tiles, ==, 2 * paired->slots);
    }
}

static void
test_square (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = new_layout (model, 64, TRUE, 0);

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const LbTile *tile = &layout->tiles[t];

      g_assert_cmpuint (tile->width, <=, 2 * tile->height);
      g_assert_cmpuint (tile->height, <=, 2 * tile->width);
      if (t % 2 == 1)
        {
          const LbTile *partner = &layout->tiles[t - 1];

          g_assert_cmpuint (tile->row, ==, partner->row);
          g_assert_cmpuint (tile->column, ==, partner->column + partner->width + model->guard);
        }
    }
  /* 70 x 40 cells or so hold that many pairs of 8 x 8 and their guards. */
  g_assert_cmpuint (layout->slots, >=, 12);
}

static void
test_split (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = new_layout (model, 5000, TRUE, 0);
  g_autoptr (LbLayout) whole = new_layout (model, 900, TRUE, 0);

  g_assert_cmpuint (whole->segments, ==, 1);
  g_assert_cmpuint (layout->segments, >, 1);
  g_assert_cmpuint (layout->length, ==, 5000);
  g_assert_cmpuint (layout->segments * layout->segment_length, >=, 5000);
  g_assert_cmpuint ((layout->segments - 1) * layout->segment_length, <, 5000);
  g_assert_cmpuint (layout->slots, >=, 1);
}

static void
test_packed (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = new_layout (model, 4, FALSE, 0);
  g_autoptr (LbLayout) few = new_layout (model, 4, FALSE, 5);

  g_assert_cmpuint (layout->slots, >, 200);
  g_assert_cmpuint (few->slots, ==, 5);
  /* The few stand in the middle. */
  for (guint t = 0; t < few->n_tiles; t++)
    {
      g_assert_cmpfloat_with_epsilon (few->tiles[t].column + 0.5 * few->tiles[t].width, 0.5 * model->columns,
                                      8);
      g_assert_cmpfloat_with_epsilon (few->tiles[t].row + 0.5 * few->tiles[t].height, 0.5 * model->rows, 8);
    }
}

static void
test_unusable (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = NULL;
  guint skipped = 0;

  for (guint y = 20; y < 24; y++)
    for (guint x = 30; x < 50; x += 3)
      model->usable[y * model->columns + x] = 0;
  layout = new_layout (model, 100, TRUE, 0);
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      const LbTile *tile = &layout->tiles[t];

      for (gsize i = 0; i < layout->segment_length; i++)
        {
          const guint column = tile->cells[i] % model->columns, row = tile->cells[i] / model->columns;

          g_assert_true (model->usable[tile->cells[i]]);
          g_assert_true (column >= tile->column && column < tile->column + tile->width);
          g_assert_true (row >= tile->row && row < tile->row + tile->height);
          g_assert_true (i == 0 || tile->cells[i] > tile->cells[i - 1]);
        }
      for (guint y = tile->row; y < tile->row + tile->height; y++)
        for (guint x = tile->column; x < tile->column + tile->width; x++)
          skipped += !model->usable[y * model->columns + x];
    }
  /* Some stand around them. */
  g_assert_cmpuint (skipped, >, 0);
}

static void
test_dim (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) before = new_layout (model, 64, FALSE, 0);
  g_autoptr (LbLayout) after = NULL;
  const gsize dim = (gsize) 25 * model->columns + 40;

  model->gain[dim] = 0.1f;
  model->gain[dim + 1] = NAN;
  lb_optics_model_drop_dim (model, 0.3);
  g_assert_false (model->usable[dim]);
  g_assert_false (model->usable[dim + 1]);
  g_assert_true (model->usable[dim + 2]);
  lb_optics_model_drop_dim (model, 1);
  after = new_layout (model, 64, FALSE, 0);
  for (guint t = 0; t < after->n_tiles; t++)
    for (gsize i = 0; i < after->segment_length; i++)
      g_assert_cmpfloat (model->gain[after->tiles[t].cells[i]], >, 0.9);
  /* The patches stay where they are: the scale of the light hangs on them. */
  g_assert_cmpmem (before->bright_cells->data, before->bright_cells->len * sizeof (guint32),
                   after->bright_cells->data, after->bright_cells->len * sizeof (guint32));
}

/* Single dark macropixels do not dim their tiles, unless they are the rule. */
static void
test_outliers (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) few = NULL;
  g_autoptr (LbLayout) many = NULL;
  guint dark = 0;

  for (gsize i = 0; i < lb_optics_model_cells (model); i += 37)
    model->gain[i] *= 0.5f;
  few = new_layout (model, 64, TRUE, 0);
  for (guint t = 0; t < few->n_tiles; t++)
    {
      g_assert_cmpfloat (few->tile_c0[t], >, 0.8);
      for (gsize i = 0; i < few->segment_length; i++)
        g_assert_cmpuint (few->tiles[t].cells[i] % 37, !=, 0);
    }
  for (gsize i = 1; i < lb_optics_model_cells (model); i += 7)
    model->gain[i] *= 0.5f;
  many = new_layout (model, 64, TRUE, 0);
  for (guint t = 0; t < many->n_tiles; t++)
    dark += many->tile_c0[t] < 0.7f;
  g_assert_cmpuint (dark, ==, many->n_tiles);
}

static void
test_gains (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = new_layout (model, 100, TRUE, 0);

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      double sum = 0;
      float lowest = G_MAXFLOAT;

      for (gsize i = 0; i < layout->segment_length; i++)
        {
          sum += layout->cell_gain[t][i];
          lowest = MIN (lowest, layout->cell_gain[t][i]);
          g_assert_cmpfloat_with_epsilon (layout->cell_gain[t][i] * layout->tile_gain[t],
                                          model->gain[layout->tiles[t].cells[i]], 1e-5);
        }
      g_assert_cmpfloat_with_epsilon (sum, layout->segment_length, 1e-3);
      g_assert_cmpfloat (layout->tile_c0[t], ==, lowest);
    }
}

static void
test_light_is_collected (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (OpticsFixture) fixture = optics_fixture_new (model);
  g_autoptr (LbLayout) layout = new_layout (model, 36, TRUE, 0);

  for (guint t = 0; t < layout->n_tiles; t++)
    {
      double collected = 0;

      for (gsize i = 0; i < layout->segment_length; i++)
        collected += optics_fixture_collected (fixture, layout, layout->tiles[t].cells[i], (gint32) t);
      g_assert_cmpfloat (collected / (double) layout->segment_length, >, 1 - 2e-4);
    }
  for (guint i = 0; i < layout->bright_cells->len; i++)
    g_assert_cmpfloat (optics_fixture_collected (fixture, layout,
                                                 g_array_index (layout->bright_cells, guint32, i),
                                                 LB_REGION_BRIGHT),
                       >, 1 - 1e-3);
}

static void
test_defects (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (OpticsFixture) fixture = optics_fixture_new (model);
  g_autoptr (LbLayout) before = new_layout (model, 36, FALSE, 0);
  g_autoptr (LbLayout) after = NULL;
  const guint32 cell = before->tiles[before->n_tiles / 2].cells[14];
  const gint32 tile = (gint32) before->n_tiles / 2;
  gsize pixel = 0;

  while (fixture->cell_of_pixel[pixel] != (gint32) cell)
    pixel++;
  model->defective[pixel] = 1;
  after = new_layout (model, 36, FALSE, 0);
  g_assert_cmpint (before->region[pixel], ==, tile);
  g_assert_cmpint (after->region[pixel], ==, LB_REGION_NONE);
  g_assert_cmpuint (after->tile_pixels[tile], ==, before->tile_pixels[tile] - 1);
  g_assert_cmpfloat (after->tile_share[tile], <, 1);
  /* What is missing is what the pixel would have collected. */
  {
    double kept = 0;

    for (gsize i = 0; i < after->segment_length; i++)
      kept += optics_fixture_collected (fixture, after, after->tiles[tile].cells[i], tile) *
              model->gain[after->tiles[tile].cells[i]];
    g_assert_cmpfloat_with_epsilon (after->tile_gain[tile], kept / (double) after->segment_length, 1e-3);
  }
}

static void
test_patches (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (LbLayout) layout = new_layout (model, 64, TRUE, 0);
  guint sides[4] = { 0 };

  for (guint i = 0; i < layout->bright_cells->len; i++)
    {
      const guint32 cell = g_array_index (layout->bright_cells, guint32, i);
      const guint column = cell % model->columns, row = cell / model->columns;

      sides[0] += column < 10;
      sides[1] += column >= model->columns - 10;
      sides[2] += row < 10;
      sides[3] += row >= model->rows - 10;
    }
  for (guint side = 0; side < 4; side++)
    g_assert_cmpuint (sides[side], >, 10);
  g_assert_cmpuint (layout->dark_cells->len, >, 40);
  g_assert_cmpuint (layout->dark_pixels, >, 100);
  g_assert_cmpuint (layout->bright_pixels, >, 100);
}

static void
test_no_space (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (GError) error = NULL;

  memset (model->usable, 0, lb_optics_model_cells (model));
  g_assert_null (lb_layout_new (model, 16, TRUE, 0, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE);
  g_clear_error (&error);
  g_assert_null (lb_layout_new_cells (model, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE);
  g_clear_error (&error);
  /* The camera looks elsewhere. */
  lb_optics_model_find_usable (model);
  model->weight_to_camera.x[0] += 5000;
  g_assert_null (lb_layout_new (model, 16, TRUE, 0, &error));
  g_assert_error (error, LB_OPTICS_ERROR, LB_OPTICS_ERROR_SPACE);
}

static void
test_cells (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLayout) layout = lb_layout_new_cells (model, &error);
  g_autofree gint32 *owners = NULL;

  g_assert_no_error (error);
  owners = new_owners (layout);
  g_assert_cmpuint (layout->n_tiles, >, 2000);
  g_assert_cmpuint (layout->slots, ==, layout->n_tiles);
  for (guint t = 0; t < layout->n_tiles; t++)
    {
      g_assert_cmpuint (layout->tile_pixels[t], >=, 4);
      g_assert_cmpfloat (layout->cell_gain[t][0], ==, 1);
      g_assert_cmpfloat_with_epsilon (layout->tile_stray[t], model->stray[layout->tiles[t].cells[0]], 1e-6);
    }
}

static void
test_reachable (void)
{
  g_autoptr (LbOpticsModel) model = optics_fixture_new_model ();
  guint usable = 0;

  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    usable += model->usable[i];
  g_assert_cmpuint (usable, >, 3000);
  g_assert_cmpuint (usable, <, lb_optics_model_cells (model));
  model->source_to_weight.x[0] += 1e4;
  lb_optics_model_find_usable (model);
  for (gsize i = 0; i < lb_optics_model_cells (model); i++)
    g_assert_false (model->usable[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/optics/layout/tiles-and-patches-are-a-guard-apart", test_apart);
  g_test_add_func ("/optics/layout/tiles-are-about-square-and-pairs-are-neighbours", test_square);
  g_test_add_func ("/optics/layout/long-vector-is-split", test_split);
  g_test_add_func ("/optics/layout/short-vectors-are-packed", test_packed);
  g_test_add_func ("/optics/layout/unusable-cells-are-skipped", test_unusable);
  g_test_add_func ("/optics/layout/dim-cells-are-dropped-but-patches-stay", test_dim);
  g_test_add_func ("/optics/layout/single-dark-cells-are-passed-over", test_outliers);
  g_test_add_func ("/optics/layout/relative-gains-have-mean-one", test_gains);
  g_test_add_func ("/optics/layout/regions-collect-blurred-light", test_light_is_collected);
  g_test_add_func ("/optics/layout/defective-pixel-costs-its-share", test_defects);
  g_test_add_func ("/optics/layout/patches-stand-on-all-sides", test_patches);
  g_test_add_func ("/optics/layout/no-space-is-an-error", test_no_space);
  g_test_add_func ("/optics/layout/cell-layout-has-a-tile-a-cell", test_cells);
  g_test_add_func ("/optics/layout/usable-cells-are-those-that-light-reaches", test_reachable);
  return g_test_run ();
}
