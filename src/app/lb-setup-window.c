/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-setup-window.h"

#include <glib/gi18n.h>
#include <lb-driver.h>
#include <lb-self-test.h>

#include "lb-monitor-numbers.h"
#include "lb-setup-draft.h"

struct _LbSetupWindow
{
  AdwWindow parent_instance;
  LbConsole *console;
  GCancellable *cancellable; /* of what runs in a thread */
  gboolean busy;             /* something does */

  GtkWidget *save_button;
  GtkWidget *search_button;
  GtkWidget *identify_button;
  GtkSpinner *spinner;
  GtkRevealer *revealer;
  GtkLabel *message;
  AdwPreferencesGroup *devices_group;
  GtkWidget *limit_row;
  GtkWidget *level_row;
  GtkWidget *linear_row;
  GtkSpinButton *limit;
  GtkSpinButton *level;
  GtkSpinButton *wavelength;
  GtkSpinButton *exposure;
  GtkSwitch *linear;
  AdwEntryRow *title_row;
  AdwActionRow *file_row;

  AdwComboRow *rows[LB_N_ROLES];
  GtkWidget *test_buttons[LB_N_ROLES];
  GPtrArray *candidates[LB_N_ROLES]; /* of LbSetupCandidate, in the order of the rows */
};

G_DEFINE_FINAL_TYPE (LbSetupWindow, lb_setup_window, ADW_TYPE_WINDOW)

static const char *const role_titles[LB_N_ROLES] = {
  N_ ("Source plane"), N_ ("Weight plane"), N_ ("Camera"), N_ ("Light source"), N_ ("Power meter"),
};

/* --- What is chosen ------------------------------------------------------------------------- */

/* NULL: none. */
static const LbSetupCandidate *
get_chosen (LbSetupWindow *self, LbRole role)
{
  guint selected = adw_combo_row_get_selected (self->rows[role]);

  if (self->candidates[role] == NULL || selected >= self->candidates[role]->len)
    return NULL;
  return g_ptr_array_index (self->candidates[role], selected);
}

static gboolean
is_real (LbSetupWindow *self, LbRole role)
{
  const LbSetupCandidate *chosen = get_chosen (self, role);

  return chosen != NULL && chosen->options != NULL;
}

/* What is typed counts, though the field was not left yet; what is no number is not
 * silently another. */
static gboolean
take_typed (GtkSpinButton *field, const char *title, GError **error)
{
  g_autofree char *text = g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (field))));
  double low, high, value;
  char *end;

  gtk_spin_button_get_range (field, &low, &high);
  value = g_strtod (text, &end);
  if (end != text && *end == '\0' && value >= low && value <= high)
    {
      gtk_spin_button_update (field);
      return TRUE;
    }
  g_set_error (error, LB_SETUP_ERROR, LB_SETUP_ERROR_VALUE, _ ("%s: \"%s\" is not a number from %g to %g"),
               title, text, low, high);
  return FALSE;
}

static gboolean
read_draft (LbSetupWindow *self, LbSetupDraft *draft, GError **error)
{
  if (is_real (self, LB_ROLE_LIGHT) && (!take_typed (self->limit, _ ("Limit of the light source"), error) ||
                                        !take_typed (self->level, _ ("Usual current"), error)))
    return FALSE;
  if (!take_typed (self->wavelength, _ ("Wavelength"), error) ||
      !take_typed (self->exposure, _ ("Usual exposure"), error))
    return FALSE;
  *draft = (LbSetupDraft){
    .title = gtk_editable_get_text (GTK_EDITABLE (self->title_row)),
    .light_limit = gtk_spin_button_get_value (self->limit),
    .light_level = gtk_spin_button_get_value (self->level),
    .exposure_us = 1000 * gtk_spin_button_get_value (self->exposure),
    .wavelength_nm = gtk_spin_button_get_value (self->wavelength),
    .camera_linear = gtk_switch_get_active (self->linear),
  };
  for (guint role = 0; role < LB_N_ROLES; role++)
    draft->devices[role] = get_chosen (self, role);
  return TRUE;
}

/* What concerns devices that are not chosen cannot be changed. */
static void
show_all (LbSetupWindow *self)
{
  const char *title = gtk_editable_get_text (GTK_EDITABLE (self->title_row));
  g_autofree char *path = lb_setup_draft_make_path (title);

  gtk_widget_set_sensitive (self->save_button, !self->busy);
  gtk_widget_set_sensitive (self->search_button, !self->busy);
  gtk_widget_set_sensitive (self->identify_button, !self->busy);
  gtk_spinner_set_spinning (self->spinner, self->busy);
  gtk_widget_set_sensitive (self->limit_row, is_real (self, LB_ROLE_LIGHT));
  gtk_widget_set_sensitive (self->level_row, is_real (self, LB_ROLE_LIGHT));
  gtk_widget_set_sensitive (self->linear_row, is_real (self, LB_ROLE_CAMERA));
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      gtk_widget_set_sensitive (GTK_WIDGET (self->rows[role]), !self->busy);
      gtk_widget_set_sensitive (self->test_buttons[role], !self->busy && get_chosen (self, role) != NULL);
    }
  adw_action_row_set_subtitle (self->file_row, title[0] != '\0' ? path : _ ("Give it a name first"));
}

/* The row's own text of the choice is short: a real device is named in full. */
static void
show_test (LbSetupWindow *self, LbRole role, const char *text)
{
  const LbSetupCandidate *chosen = get_chosen (self, role);
  g_autofree char *whole = chosen != NULL && chosen->options != NULL
                               ? g_strdup_printf ("%s\n%s", chosen->title, text)
                               : g_strdup (text);
  g_autofree char *escaped = g_markup_escape_text (whole, -1);

  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->rows[role]), escaped);
}

/* Another device is not the one that was tested. */
static void
choice_changed_cb (AdwComboRow *row, GParamSpec *spec, LbSetupWindow *self)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    if (self->rows[role] == row)
      show_test (self, role, _ ("Not tested"));
  show_all (self);
}

static void
show_message (LbSetupWindow *self, const char *text)
{
  gtk_label_set_text (self->message, text != NULL ? text : "");
  gtk_revealer_set_reveal_child (self->revealer, text != NULL);
}

/* --- Work in a thread -------------------------------------------------------------------------- */

static void
begin (LbSetupWindow *self,
       GTaskThreadFunc func,
       gpointer data,
       GDestroyNotify destroy,
       GAsyncReadyCallback callback)
{
  g_autoptr (GTask) task = g_task_new (self, self->cancellable, callback, NULL);

  g_task_set_task_data (task, data, destroy);
  self->busy = TRUE;
  show_message (self, NULL);
  show_all (self);
  g_task_run_in_thread (task, func);
}

static void
end (LbSetupWindow *self)
{
  self->busy = FALSE;
  show_all (self);
}

/* --- Search -------------------------------------------------------------------------------------- */

static void
search_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);

  for (guint role = 0; role < LB_N_ROLES; role++)
    g_ptr_array_add (found, lb_setup_candidates_find (role));
  g_task_return_pointer (task, found, (GDestroyNotify) g_ptr_array_unref);
}

/* A device is chosen by itself if there is one; a monitor may be the operator's
 * own, so planes are only if there are two more. */
static guint
get_first_choice (LbRole role, guint n_real)
{
  if (role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT)
    return n_real >= 3 ? n_real - 2 + role : n_real;
  return n_real == 1 ? 0 : n_real;
}

static void
fill_row (LbSetupWindow *self, LbRole role)
{
  const GPtrArray *candidates = self->candidates[role];
  g_autoptr (GtkStringList) titles = gtk_string_list_new (NULL);

  for (guint i = 0; i < candidates->len; i++)
    {
      const LbSetupCandidate *candidate = g_ptr_array_index (candidates, i);
      g_autofree char *numbered = candidate->number > 0
                                      ? g_strdup_printf ("%u: %s", candidate->number, candidate->title)
                                      : g_strdup (candidate->title);

      gtk_string_list_append (titles, numbered);
    }
  if (role == LB_ROLE_LIGHT || role == LB_ROLE_POWER_METER)
    gtk_string_list_append (titles, _ ("None"));
  adw_combo_row_set_model (self->rows[role], G_LIST_MODEL (titles));
  adw_combo_row_set_selected (self->rows[role], get_first_choice (role, candidates->len - 1));
  show_test (self, role, _ ("Not tested"));
}

static void
searched_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  LbSetupWindow *self = LB_SETUP_WINDOW (source);
  g_autoptr (GPtrArray) found = g_task_propagate_pointer (G_TASK (result), NULL);

  if (found == NULL)
    return;
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      g_clear_pointer (&self->candidates[role], g_ptr_array_unref);
      self->candidates[role] = g_ptr_array_ref (g_ptr_array_index (found, role));
      fill_row (self, role);
    }
  end (self);
}

static void
search_cb (LbSetupWindow *self)
{
  begin (self, search_thread, NULL, NULL, searched_cb);
}

/* --- Identify -------------------------------------------------------------------------------------- */

static void
identify_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;

  if (lb_monitor_numbers_show (data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
identified_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  LbSetupWindow *self = LB_SETUP_WINDOW (source);
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
      show_message (self, error->message);
    }
  end (self);
}

static void
identify_cb (LbSetupWindow *self)
{
  if (self->candidates[LB_ROLE_SOURCE]->len == 1)
    {
      show_message (self,
                    _ ("No monitor was found: Lightbench asks the X server, and without one the kernel"));
      return;
    }
  begin (self, identify_thread, g_ptr_array_ref (self->candidates[LB_ROLE_SOURCE]),
         (GDestroyNotify) g_ptr_array_unref, identified_cb);
}

/* --- Test -------------------------------------------------------------------------------------------- */

typedef struct
{
  char *json;
  LbRole role;
  guint passed;
  GString *failures;
} TestJob;

static void
test_job_free (gpointer data)
{
  TestJob *job = data;

  g_free (job->json);
  g_string_free (job->failures, TRUE);
  g_free (job);
}

static void
point_cb (const char *point, const GError *failure, gpointer data)
{
  TestJob *job = data;

  if (failure == NULL)
    job->passed++;
  else
    g_string_append_printf (job->failures, "%s%s: %s", job->failures->len > 0 ? "\n" : "", point,
                            failure->message);
}

static void
test_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  TestJob *job = data;
  GError *error = NULL;
  g_autoptr (LbSetup) setup = lb_setup_parse (job->json, -1, "draft", LB_FIDELITY_PIXEL, &error);
  const LbDriver *driver;
  g_autoptr (LbClock) clock = NULL;
  g_autoptr (LbDevice) device = NULL;
  LbDriverContext context = { .setup = setup, .seed = 1, .world_seed = 1 };

  if (setup == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  driver = lb_drivers_find (lb_setup_get_driver (setup, job->role));
  context.clock = clock = driver->simulated ? lb_clock_new_virtual (0) : lb_clock_new_wall ();
  device = driver->create (&context, job->role, &error);
  if (device != NULL)
    lb_self_test_run (device, point_cb, job, cancellable);
  g_clear_object (&device);
  g_clear_object (&context.shared);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
tested_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  LbSetupWindow *self = LB_SETUP_WINDOW (source);
  const TestJob *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
      text = g_strdup_printf (_ ("Test failed: %s"), error->message);
    }
  else if (job->failures->len > 0)
    text = g_strdup_printf (_ ("Test failed: %s"), job->failures->str);
  else
    text = g_strdup_printf (ngettext ("Passed: %u point", "Passed: %u points", job->passed), job->passed);
  show_test (self, job->role, text);
  end (self);
}

static void
test_cb (GtkWidget *button, LbSetupWindow *self)
{
  LbRole role = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (button), "role"));
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;
  LbSetupDraft draft;
  TestJob *job;

  if (read_draft (self, &draft, &error))
    {
      /* It needs no name yet. */
      draft.title = "draft";
      json = lb_setup_draft_to_json (&draft, &error);
    }
  if (json == NULL)
    {
      show_message (self, error->message);
      return;
    }
  job = g_new0 (TestJob, 1);
  job->json = g_steal_pointer (&json);
  job->role = role;
  job->failures = g_string_new (NULL);
  show_test (self, role, _ ("Being tested…"));
  begin (self, test_thread, job, test_job_free, tested_cb);
}

/* --- Save --------------------------------------------------------------------------------------------- */

static void save (LbSetupWindow *self, gboolean replace);

static void
replace_cb (AdwMessageDialog *dialog, const char *response, LbSetupWindow *self)
{
  /* Saving closes this window, and the dialog outlives its answer. */
  gtk_window_set_transient_for (GTK_WINDOW (dialog), NULL);
  if (g_str_equal (response, "replace"))
    save (self, TRUE);
}

static void
ask_to_replace (LbSetupWindow *self, const char *path)
{
  GtkWidget *dialog = adw_message_dialog_new (GTK_WINDOW (self), _ ("Replace the Setup?"), NULL);

  adw_message_dialog_format_body (ADW_MESSAGE_DIALOG (dialog),
                                  _ ("There is a setup of that name: %s. The old one would be lost."), path);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "replace",
                                    _ ("_Replace"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "replace",
                                              ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_signal_connect_object (dialog, "response", G_CALLBACK (replace_cb), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
save (LbSetupWindow *self, gboolean replace)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL;
  g_autofree char *path = NULL;
  LbSetupDraft draft;

  if (lb_console_get_task (self->console) != LB_TASK_NONE)
    {
      show_message (self, _ ("A task is running on the bench: wait until it has ended, or abort it"));
      return;
    }
  if (!read_draft (self, &draft, &error))
    {
      show_message (self, error->message);
      return;
    }
  json = lb_setup_draft_to_json (&draft, &error);
  path = lb_setup_draft_make_path (draft.title);
  if (json != NULL && lb_setup_draft_save (path, json, replace, &error))
    {
      lb_console_choose_setup (self->console, path, LB_FIDELITY_PIXEL);
      gtk_window_destroy (GTK_WINDOW (self));
    }
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_EXISTS))
    ask_to_replace (self, path);
  else
    show_message (self, error->message);
}

static void
save_cb (LbSetupWindow *self)
{
  save (self, FALSE);
}

/* --- Window --------------------------------------------------------------------------------------------- */

/* The texts of the list in full; by itself it cuts them off. */
static void
set_up_item_cb (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_list_item_set_child (item, label);
}

static void
bind_item_cb (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkStringObject *text = GTK_STRING_OBJECT (gtk_list_item_get_item (item));

  gtk_label_set_text (GTK_LABEL (gtk_list_item_get_child (item)), gtk_string_object_get_string (text));
}

static void
add_rows (LbSetupWindow *self)
{
  g_autoptr (GtkListItemFactory) factory = gtk_signal_list_item_factory_new ();

  g_signal_connect (factory, "setup", G_CALLBACK (set_up_item_cb), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_item_cb), NULL);
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      GtkWidget *row = adw_combo_row_new ();
      GtkWidget *button = gtk_button_new_with_label (_ ("Test"));
      g_autofree char *label = g_strdup_printf (_ ("Test: %s"), _ (role_titles[role]));

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ (role_titles[role]));
      adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 4);
      gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
      gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
      g_object_set_data (G_OBJECT (button), "role", GUINT_TO_POINTER (role));
      g_signal_connect (button, "clicked", G_CALLBACK (test_cb), self);
      adw_action_row_add_suffix (ADW_ACTION_ROW (row), button);
      adw_preferences_group_add (self->devices_group, row);
      self->rows[role] = ADW_COMBO_ROW (row);
      self->test_buttons[role] = button;
      adw_combo_row_set_list_factory (ADW_COMBO_ROW (row), factory);
      g_signal_connect (row, "notify::selected", G_CALLBACK (choice_changed_cb), self);
    }
}

static void
lb_setup_window_dispose (GObject *object)
{
  LbSetupWindow *self = LB_SETUP_WINDOW (object);

  g_cancellable_cancel (self->cancellable);
  for (guint role = 0; role < LB_N_ROLES; role++)
    g_clear_pointer (&self->candidates[role], g_ptr_array_unref);
  g_clear_object (&self->console);
  G_OBJECT_CLASS (lb_setup_window_parent_class)->dispose (object);
}

static void
lb_setup_window_finalize (GObject *object)
{
  g_object_unref (LB_SETUP_WINDOW (object)->cancellable);
  G_OBJECT_CLASS (lb_setup_window_parent_class)->finalize (object);
}

static void
lb_setup_window_class_init (LbSetupWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_setup_window_dispose;
  G_OBJECT_CLASS (klass)->finalize = lb_setup_window_finalize;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/setup-window.ui");
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, save_button);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, search_button);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, identify_button);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, spinner);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, revealer);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, message);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, devices_group);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, limit_row);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, level_row);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, linear_row);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, limit);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, level);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, wavelength);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, exposure);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, linear);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, title_row);
  gtk_widget_class_bind_template_child (widget_class, LbSetupWindow, file_row);
  gtk_widget_class_bind_template_callback (widget_class, save_cb);
  gtk_widget_class_bind_template_callback (widget_class, search_cb);
  gtk_widget_class_bind_template_callback (widget_class, identify_cb);
  gtk_widget_class_bind_template_callback (widget_class, show_all);
}

static void
lb_setup_window_init (LbSetupWindow *self)
{
  self->cancellable = g_cancellable_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
  add_rows (self);
}

/**
 * lb_setup_window_new:
 * @parent: above which it is shown
 * @console: connects the bench by the setup that was made
 *
 * Returns: (transfer none): the window, which belongs to GTK
 */
LbSetupWindow *
lb_setup_window_new (GtkWindow *parent, LbConsole *console)
{
  LbSetupWindow *self = g_object_new (LB_TYPE_SETUP_WINDOW, "transient-for", parent, NULL);

  self->console = g_object_ref (console);
  search_cb (self);
  return self;
}
