/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-session-page.h"

#include <glib/gi18n.h>

#include "lb-figure-grid.h"
#include "lb-file-dialog.h"
#include "lb-format.h"
#include "lb-merit-table.h"
#include "lb-quantity-list.h"
#include "lb-report-task.h"
#include "lb-session-contents.h"

struct _LbSessionPage
{
  GtkWidget parent_instance;
  LbConsole *console;
  LbSession *earlier; /* that is shown instead of the console's; or NULL */

  GtkWidget *root;
  GtkWidget *report_button;
  GtkWidget *report_menu_button;
  GtkWidget *back_button;
  GtkLabel *path_label;
  GtkListBox *list;
  GtkWidget *note_box;
  GtkWidget *note_entry;
  GtkWidget *note_button;
  GtkStack *contents;
  GtkWidget *empty;
  GtkWidget *detail;
  GtkLabel *title;
  GtkLabel *time;
  GtkLabel *text;
  LbMeritTable *merits;
  LbFigureGrid *figures;
  GtkWidget *results_title;
  LbQuantityList *results;
  GtkWidget *settings_title;
  LbQuantityList *settings;

  GListStore *entries;   /* of LbSessionEntry */
  LbSession *listed;     /* whose entries they are; to compare only */
  GCancellable *loading; /* of the list */
  GCancellable *loading_figures;
  gboolean filling;
};

G_DEFINE_FINAL_TYPE (LbSessionPage, lb_session_page, GTK_TYPE_WIDGET)

static LbSession *
get_session (LbSessionPage *self)
{
  return self->earlier != NULL ? self->earlier : lb_console_get_session (self->console);
}

/* --- The chosen entry ------------------------------------------------------------------- */

static void
figures_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LbSessionPage) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) figures = lb_session_figures_load_finish (result, &error);

  if (self->console == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (figures == NULL)
    gtk_label_set_text (self->text, error->message);
  lb_figure_grid_set_figures (self->figures, figures);
}

static void
load_figures (LbSessionPage *self, LbSessionEntry *entry)
{
  LbSession *session = get_session (self);

  g_cancellable_cancel (self->loading_figures);
  g_clear_object (&self->loading_figures);
  if (entry->kind == LB_ENTRY_NOTE || session == NULL)
    {
      lb_figure_grid_set_figures (self->figures, NULL);
      return;
    }
  self->loading_figures = g_cancellable_new ();
  lb_session_figures_load_async (session, entry, self->loading_figures, figures_cb, g_object_ref (self));
}

static void
show_list (GtkWidget *title, LbQuantityList *list, const LbQuantities *quantities)
{
  gboolean any = quantities != NULL && lb_quantities_get_length (quantities) > 0;

  lb_quantity_list_set_quantities (list, quantities);
  gtk_widget_set_visible (title, any);
  gtk_widget_set_visible (GTK_WIDGET (list), any);
}

/* Results that the table of merits does not show. */
static LbQuantities *
other_results (const LbQuantities *results)
{
  LbQuantities *others = lb_quantities_new ();

  for (guint i = 0; i < lb_quantities_get_length (results); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (results, i);

      if (lb_merit_table_shows (quantity->name))
        continue;
      if (quantity->text != NULL)
        lb_quantities_set_text (others, quantity->name, quantity->text);
      else
        lb_quantities_set (others, quantity->name, quantity->value, quantity->unit);
    }
  return others;
}

static void
show_entry (LbSessionPage *self, LbSessionEntry *entry)
{
  g_autofree char *time = lb_format_time (entry->time_us);
  gboolean run = entry->kind == LB_ENTRY_RUN && entry->results != NULL;
  g_autoptr (LbQuantities) others = run ? other_results (entry->results) : NULL;

  gtk_label_set_text (self->title, entry->title);
  gtk_label_set_text (self->time, time);
  gtk_label_set_text (self->text, entry->text != NULL ? entry->text : "");
  gtk_widget_set_visible (GTK_WIDGET (self->text), entry->text != NULL && entry->text[0] != '\0');
  gtk_widget_set_visible (GTK_WIDGET (self->merits), run);
  lb_merit_table_set_results (self->merits, run ? entry->results : NULL);
  show_list (self->results_title, self->results, run ? others : entry->results);
  show_list (self->settings_title, self->settings, entry->settings);
  load_figures (self, entry);
}

static void
row_selected_cb (LbSessionPage *self)
{
  GtkListBoxRow *row = gtk_list_box_get_selected_row (self->list);
  g_autoptr (LbSessionEntry) entry = NULL;

  if (self->filling || self->console == NULL)
    return;
  if (row != NULL)
    entry = g_list_model_get_item (G_LIST_MODEL (self->entries), gtk_list_box_row_get_index (row));
  gtk_stack_set_visible_child (self->contents, entry != NULL ? self->detail : self->empty);
  if (entry != NULL)
    show_entry (self, entry);
}

/* --- The list ------------------------------------------------------------------------------ */

static GtkWidget *
create_row_cb (gpointer item, gpointer user_data)
{
  static const char *const icons[] = { "lightbench-calibrate-symbolic", "lightbench-experiment-symbolic",
                                       "lightbench-note-symbolic" };
  LbSessionEntry *entry = item;
  g_autofree char *time = lb_format_time (entry->time_us);
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *icon = gtk_image_new_from_icon_name (icons[entry->kind]);
  GtkWidget *label = gtk_label_new (time);
  g_autofree char *title = g_markup_escape_text (entry->title, -1);
  g_autofree char *subtitle = entry->subtitle != NULL ? g_markup_escape_text (entry->subtitle, -1) : NULL;

  if (entry->style != NULL && entry->style[0] != '\0')
    gtk_widget_add_css_class (icon, entry->style);
  gtk_widget_add_css_class (label, "caption");
  gtk_widget_add_css_class (label, "dim-label");
  gtk_widget_set_valign (label, GTK_ALIGN_CENTER);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_title_lines (ADW_ACTION_ROW (row), 2);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle != NULL ? subtitle : "");
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 2);
  adw_action_row_add_prefix (ADW_ACTION_ROW (row), icon);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), label);
  return row;
}

/* The entry that was selected, else the newest. */
static void
select_again (LbSessionPage *self, gboolean same, guint old_count, int selected)
{
  guint count = g_list_model_get_n_items (G_LIST_MODEL (self->entries));
  gboolean keep = same && selected >= 0 && (guint) selected + 1 != old_count;
  int index = keep ? selected : (int) count - 1;

  gtk_list_box_select_row (self->list, gtk_list_box_get_row_at_index (self->list, index));
}

static void
contents_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LbSessionPage) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) entries = lb_session_contents_load_finish (result, &error);
  GtkListBoxRow *row;
  guint old_count;
  int selected;

  if (self->console == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (entries == NULL)
    {
      gtk_label_set_text (self->path_label, error->message);
      return;
    }
  row = gtk_list_box_get_selected_row (self->list);
  selected = row != NULL ? gtk_list_box_row_get_index (row) : -1;
  old_count = g_list_model_get_n_items (G_LIST_MODEL (self->entries));
  self->filling = TRUE;
  g_list_store_splice (self->entries, 0, old_count, entries->pdata, entries->len);
  select_again (self, self->listed == LB_SESSION (source), old_count, selected);
  self->filling = FALSE;
  self->listed = LB_SESSION (source);
  row_selected_cb (self);
}

static void
refresh (LbSessionPage *self)
{
  LbSession *session = get_session (self);

  g_cancellable_cancel (self->loading);
  g_clear_object (&self->loading);
  gtk_widget_set_sensitive (self->report_button, session != NULL);
  gtk_widget_set_sensitive (self->report_menu_button, session != NULL);
  gtk_widget_set_visible (self->back_button, self->earlier != NULL);
  gtk_widget_set_sensitive (self->note_box, self->earlier == NULL);
  if (session == NULL)
    {
      g_list_store_remove_all (self->entries);
      gtk_label_set_text (self->path_label, _ ("The session begins with the first calibration, run or note"));
      row_selected_cb (self);
      return;
    }
  gtk_label_set_text (self->path_label, lb_session_get_path (session));
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->path_label), lb_session_get_path (session));
  self->loading = g_cancellable_new ();
  lb_session_contents_load_async (session,
                                  self->earlier == NULL && lb_console_get_task (self->console) == LB_TASK_RUN,
                                  self->loading, contents_cb, g_object_ref (self));
}

static void
session_changed_cb (LbSessionPage *self)
{
  if (self->earlier == NULL)
    refresh (self);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void
note_changed_cb (LbSessionPage *self)
{
  const char *text = gtk_editable_get_text (GTK_EDITABLE (self->note_entry));

  gtk_widget_set_sensitive (self->note_button, text[0] != '\0');
}

static void
note_cb (LbSessionPage *self)
{
  g_autofree char *text = g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->note_entry)));

  g_strstrip (text);
  if (text[0] == '\0' || lb_console_get_bench (self->console) == NULL)
    return;
  lb_console_add_note (self->console, text);
  gtk_editable_set_text (GTK_EDITABLE (self->note_entry), "");
}

/* --- Report --------------------------------------------------------------------------------------- */

static void
report_cb (LbSessionPage *self)
{
  lb_report_task_write (LB_WINDOW (gtk_widget_get_root (GTK_WIDGET (self))), get_session (self), NULL);
}

static void
report_as_cb (GtkWidget *widget, const char *action, GVariant *parameter)
{
  lb_report_task_choose (LB_WINDOW (gtk_widget_get_root (widget)), get_session (LB_SESSION_PAGE (widget)));
}

/* --- Earlier sessions --------------------------------------------------------------------------------- */

static void
open_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  LbSession *session = lb_session_open_read_only (data, &error);

  if (session != NULL)
    g_task_return_pointer (task, session, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LbSessionPage *self = LB_SESSION_PAGE (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSession) session = g_task_propagate_pointer (G_TASK (result), &error);

  if (self->console == NULL)
    return;
  if (session == NULL)
    {
      lb_window_add_toast (LB_WINDOW (gtk_widget_get_root (GTK_WIDGET (self))), error->message, NULL, NULL);
      return;
    }
  g_set_object (&self->earlier, session);
  refresh (self);
}

static void
open_chosen_cb (GtkWidget *widget, const char *path, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (widget, NULL, opened_cb, NULL);

  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_run_in_thread (task, open_thread);
}

static void
open_cb (LbSessionPage *self)
{
  LbSession *session = get_session (self);
  GtkFileChooserNative *dialog =
      lb_file_dialog_new (GTK_WIDGET (self), _ ("Open an Earlier Session"), GTK_FILE_CHOOSER_ACTION_OPEN);

  lb_file_dialog_add_pattern (dialog, _ ("Sessions"), "*.lbsession");
  if (session != NULL)
    lb_file_dialog_begin_beside (dialog, lb_session_get_path (session));
  lb_file_dialog_show (dialog, GTK_WIDGET (self), open_chosen_cb, NULL, NULL);
}

static void
back_cb (LbSessionPage *self)
{
  g_clear_object (&self->earlier);
  refresh (self);
}

/* --- The object ------------------------------------------------------------------------------------------
 */

static void
lb_session_page_dispose (GObject *object)
{
  LbSessionPage *self = LB_SESSION_PAGE (object);

  g_cancellable_cancel (self->loading);
  g_cancellable_cancel (self->loading_figures);
  g_clear_object (&self->loading);
  g_clear_object (&self->loading_figures);
  g_clear_object (&self->earlier);
  g_clear_object (&self->console);
  g_clear_pointer (&self->root, gtk_widget_unparent);
  g_clear_object (&self->entries);
  G_OBJECT_CLASS (lb_session_page_parent_class)->dispose (object);
}

static void
bind_children (GtkWidgetClass *widget_class)
{
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, root);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, report_button);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, report_menu_button);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, back_button);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, path_label);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, list);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, note_box);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, note_entry);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, note_button);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, contents);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, empty);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, detail);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, title);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, time);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, text);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, merits);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, figures);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, results_title);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, results);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, settings_title);
  gtk_widget_class_bind_template_child (widget_class, LbSessionPage, settings);
}

static void
lb_session_page_class_init (LbSessionPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_session_page_dispose;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
  g_type_ensure (LB_TYPE_FIGURE_GRID);
  g_type_ensure (LB_TYPE_MERIT_TABLE);
  g_type_ensure (LB_TYPE_QUANTITY_LIST);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/session-page.ui");
  bind_children (widget_class);
  gtk_widget_class_bind_template_callback (widget_class, report_cb);
  gtk_widget_class_bind_template_callback (widget_class, open_cb);
  gtk_widget_class_bind_template_callback (widget_class, back_cb);
  gtk_widget_class_bind_template_callback (widget_class, note_cb);
  gtk_widget_class_bind_template_callback (widget_class, note_changed_cb);
  gtk_widget_class_bind_template_callback (widget_class, row_selected_cb);
  gtk_widget_class_install_action (widget_class, "session.report-as", NULL, report_as_cb);
}

static void
lb_session_page_init (LbSessionPage *self)
{
  self->entries = g_list_store_new (LB_TYPE_SESSION_ENTRY);
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Session page"),
                                  -1);
  gtk_list_box_bind_model (self->list, G_LIST_MODEL (self->entries), create_row_cb, NULL, NULL);
}

/**
 * lb_session_page_new:
 * @console: whose session it shows
 *
 * Returns: (transfer floating): the page
 */
GtkWidget *
lb_session_page_new (LbConsole *console)
{
  LbSessionPage *self = g_object_new (LB_TYPE_SESSION_PAGE, NULL);

  self->console = g_object_ref (console);
  g_signal_connect_object (console, "session-changed", G_CALLBACK (session_changed_cb), self,
                           G_CONNECT_SWAPPED);
  refresh (self);
  return GTK_WIDGET (self);
}
