/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-bench-page.h"

#include <glib/gi18n.h>
#include <lb-simulated.h>

#include "lb-file-dialog.h"
#include "lb-setup-draft.h"
#include "lb-setup-window.h"

/* What must hold for light to come on. */
typedef enum
{
  CONDITION_CONNECTED,
  CONDITION_ARMED,
  CONDITION_TRIPS,
  CONDITION_SOURCE,
  N_CONDITIONS
} Condition;

struct _LbBenchPage
{
  GtkWidget parent_instance;
  LbConsole *console;

  GtkWidget *root;
  GtkWidget *connect_button;
  GtkWidget *disconnect_button;
  GtkWidget *check_button;
  GtkWidget *file_button;
  GtkWidget *new_button;
  AdwComboRow *setup_row;
  AdwComboRow *fidelity_row;
  AdwPreferencesGroup *devices_group;
  AdwPreferencesGroup *light_group;
  AdwPreferencesGroup *faults_group;

  AdwActionRow *device_rows[LB_N_ROLES];
  GtkLabel *device_states[LB_N_ROLES];
  AdwActionRow *conditions[N_CONDITIONS];
  GtkImage *condition_icons[N_CONDITIONS];
  GtkWindow *setup_window;    /* weak; a setup is being made */
  GPtrArray *setups;          /* names or paths, in the order of the rows */
  GHashTable *fault_switches; /* name -> GtkSwitch */
  gboolean filling;           /* what changes now was not the operator */
};

G_DEFINE_FINAL_TYPE (LbBenchPage, lb_bench_page, GTK_TYPE_WIDGET)

static const char *const role_titles[LB_N_ROLES] = {
  N_ ("Source plane"), N_ ("Weight plane"), N_ ("Camera"), N_ ("Light source"), N_ ("Power meter"),
};

/* --- Devices ------------------------------------------------------------------------- */

static char *
describe_caps (LbBench *bench, LbRole role)
{
  LbCameraCaps camera;
  LbModulatorCaps modulator;
  LbLightSourceCaps light;

  if (role == LB_ROLE_CAMERA && lb_bench_get_camera_caps (bench, &camera))
    return g_strdup_printf (_ ("%u × %u pixels, %u bits, %.0f frames/s"), camera.width, camera.height,
                            camera.bits, 1e6 / camera.frame_period_us);
  if ((role == LB_ROLE_SOURCE || role == LB_ROLE_WEIGHT) &&
      lb_bench_get_modulator_caps (bench, role, &modulator))
    return g_strdup_printf (_ ("%u × %u pixels, %u levels, %.0f Hz"), modulator.width, modulator.height,
                            modulator.levels, modulator.rate_hz);
  if (role == LB_ROLE_LIGHT && lb_bench_get_light_caps (bench, &light))
    return g_strdup_printf (_ ("usual %g %s, limit %g %s, maximum %g %s"),
                            lb_setup_get_optics (lb_bench_get_setup (bench))->light_level, light.unit,
                            light.limit, light.unit, light.maximum, light.unit);
  return NULL;
}

static char *
describe_device (LbBench *bench, LbRole role)
{
  g_autoptr (LbIdentity) identity = lb_bench_dup_identity (bench, role);
  g_autofree char *caps = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  if (identity == NULL)
    return g_strdup_printf (_ ("Driver: %s"), lb_setup_get_driver (lb_bench_get_setup (bench), role));
  caps = describe_caps (bench, role);
  g_string_append_printf (text, "%s %s", identity->maker, identity->model);
  if (identity->serial[0] != '\0')
    g_string_append_printf (text, _ (", serial %s"), identity->serial);
  if (identity->firmware[0] != '\0')
    g_string_append_printf (text, _ (", firmware %s"), identity->firmware);
  if (caps != NULL)
    g_string_append_printf (text, "\n%s", caps);
  return g_markup_escape_text (text->str, -1);
}

static void
show_device (LbBenchPage *self, LbBench *bench, LbRole role)
{
  static const char *const states[] = { N_ ("absent"), N_ ("connected"), N_ ("running"), N_ ("faulted") };
  static const char *const styles[] = { "", "good", "busy", "bad" };
  LbDevice *device = bench != NULL ? lb_bench_get_device (bench, role) : NULL;
  GtkWidget *label = GTK_WIDGET (self->device_states[role]);
  LbDeviceState state;
  g_autofree char *text = NULL;

  gtk_widget_set_visible (GTK_WIDGET (self->device_rows[role]), device != NULL);
  if (device == NULL)
    return;
  state = lb_device_get_state (device);
  text = describe_device (bench, role);
  adw_action_row_set_subtitle (self->device_rows[role], text);
  gtk_label_set_text (self->device_states[role], _ (states[state]));
  for (guint i = 1; i < G_N_ELEMENTS (styles); i++)
    gtk_widget_remove_css_class (label, styles[i]);
  if (state == LB_DEVICE_ABSENT && lb_bench_get_state (bench) != LB_BENCH_DISCONNECTED)
    gtk_widget_add_css_class (label, "bad");
  else if (styles[state][0] != '\0')
    gtk_widget_add_css_class (label, styles[state]);
}

static void
add_device_rows (LbBenchPage *self)
{
  for (guint role = 0; role < LB_N_ROLES; role++)
    {
      GtkWidget *row = adw_action_row_new ();
      GtkWidget *label = gtk_label_new (NULL);

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ (role_titles[role]));
      adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 3);
      gtk_widget_set_valign (label, GTK_ALIGN_CENTER);
      gtk_widget_add_css_class (label, "pill");
      adw_action_row_add_suffix (ADW_ACTION_ROW (row), label);
      adw_preferences_group_add (self->devices_group, row);
      self->device_rows[role] = ADW_ACTION_ROW (row);
      self->device_states[role] = GTK_LABEL (label);
    }
}

/* --- What blocks the light ----------------------------------------------------------------- */

static void
show_condition (LbBenchPage *self, Condition condition, gboolean holds, gboolean known, const char *text)
{
  GtkWidget *icon = GTK_WIDGET (self->condition_icons[condition]);

  adw_action_row_set_subtitle (self->conditions[condition], text);
  gtk_image_set_from_icon_name (GTK_IMAGE (icon), !known  ? "dialog-question-symbolic"
                                                  : holds ? "object-select-symbolic"
                                                          : "dialog-error-symbolic");
  gtk_widget_remove_css_class (icon, "success");
  gtk_widget_remove_css_class (icon, "error");
  if (known)
    gtk_widget_add_css_class (icon, holds ? "success" : "error");
}

static char *
describe_trips (guint trips)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (trips & LB_LIGHT_TRIP_INTERLOCK)
    g_string_append (text, _ ("The interlock is open: close the enclosure. "));
  if (trips & LB_LIGHT_TRIP_KEY)
    g_string_append (text, _ ("The key switch is off: turn it on. "));
  if (trips & LB_LIGHT_TRIP_TEMPERATURE)
    g_string_append (text, _ ("The source is too warm: let it cool down. "));
  g_strchomp (text->str);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
show_trips (LbBenchPage *self, LbLightState light)
{
  LbDeviceReading reading;
  g_autofree char *text = NULL;

  lb_console_get_reading (self->console, &reading);
  if (reading.known && reading.light_trips != 0)
    {
      text = describe_trips (reading.light_trips);
      show_condition (self, CONDITION_TRIPS, FALSE, TRUE, text);
    }
  else if (light == LB_LIGHT_TRIPPED)
    show_condition (self, CONDITION_TRIPS, FALSE, TRUE,
                    _ ("The light source has tripped: check interlock, key and temperature, then arm again"));
  else if (!reading.known)
    show_condition (self, CONDITION_TRIPS, FALSE, FALSE, _ ("Not asked yet"));
  else
    show_condition (self, CONDITION_TRIPS, TRUE, TRUE, _ ("Closed, on, and not too warm, as last read"));
}

static void
show_source (LbBenchPage *self, LbBench *bench)
{
  LbDevice *light = bench != NULL ? lb_bench_get_device (bench, LB_ROLE_LIGHT) : NULL;
  LbDeviceState state = light != NULL ? lb_device_get_state (light) : LB_DEVICE_ABSENT;

  if (bench != NULL && light == NULL)
    show_condition (self, CONDITION_SOURCE, TRUE, TRUE,
                    _ ("This bench has none: the source plane shines by itself"));
  else if (state == LB_DEVICE_FAULTED)
    show_condition (self, CONDITION_SOURCE, FALSE, TRUE, _ ("Faulted: check its cable, then connect again"));
  else if (state == LB_DEVICE_ABSENT)
    show_condition (self, CONDITION_SOURCE, FALSE, TRUE, _ ("Not connected"));
  else
    show_condition (self, CONDITION_SOURCE, TRUE, TRUE, _ ("Answers"));
}

static void
show_light (LbBenchPage *self, LbBench *bench)
{
  LbLightState light = bench != NULL ? lb_bench_get_light (bench) : LB_LIGHT_OFF;
  gboolean connected = lb_console_is_connected (self->console);
  gboolean armed = light == LB_LIGHT_ARMED || light == LB_LIGHT_ON;

  show_condition (self, CONDITION_CONNECTED, connected, TRUE,
                  connected ? _ ("All devices are open") : _ ("Connect the bench first"));
  show_condition (self, CONDITION_ARMED, armed, TRUE,
                  armed       ? _ ("Tasks may turn the light on; STOP takes that away")
                  : connected ? _ ("STOP was pressed or the source has tripped: arm again")
                              : _ ("Connecting arms the light"));
  show_trips (self, light);
  show_source (self, bench);
}

static void
add_conditions (LbBenchPage *self)
{
  static const char *const titles[N_CONDITIONS] = {
    N_ ("Bench connected"),
    N_ ("Armed"),
    N_ ("Interlock, key, temperature"),
    N_ ("Light source"),
  };

  for (guint i = 0; i < N_CONDITIONS; i++)
    {
      GtkWidget *row = adw_action_row_new ();
      GtkWidget *icon = gtk_image_new ();

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ (titles[i]));
      adw_action_row_add_prefix (ADW_ACTION_ROW (row), icon);
      adw_preferences_group_add (self->light_group, row);
      self->conditions[i] = ADW_ACTION_ROW (row);
      self->condition_icons[i] = GTK_IMAGE (icon);
    }
}

/* --- Faults ------------------------------------------------------------------------------------- */

static void
fault_toggled_cb (GtkSwitch *fault_switch, GParamSpec *pspec, LbBenchPage *self)
{
  if (!self->filling)
    lb_console_set_fault_injected (self->console, gtk_widget_get_name (GTK_WIDGET (fault_switch)),
                                   gtk_switch_get_active (fault_switch));
}

static void
add_faults (LbBenchPage *self)
{
  for (const char *const *fault = lb_simulated_list_faults (); *fault != NULL; fault++)
    {
      GtkWidget *row = adw_action_row_new ();
      GtkWidget *fault_switch = gtk_switch_new ();
      const char *title = lb_simulated_get_fault_title (*fault);

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
      gtk_widget_set_valign (fault_switch, GTK_ALIGN_CENTER);
      gtk_widget_set_name (fault_switch, *fault);
      /* The row lends its title as a name. */
      adw_action_row_add_suffix (ADW_ACTION_ROW (row), fault_switch);
      adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), fault_switch);
      adw_preferences_group_add (self->faults_group, row);
      g_hash_table_insert (self->fault_switches, (gpointer) *fault, fault_switch);
      g_signal_connect (fault_switch, "notify::active", G_CALLBACK (fault_toggled_cb), self);
    }
}

static void
show_faults (LbBenchPage *self, LbBench *bench)
{
  GHashTableIter iter;
  gpointer fault, fault_switch;

  gtk_widget_set_visible (GTK_WIDGET (self->faults_group),
                          bench != NULL && lb_setup_is_simulated (lb_bench_get_setup (bench)));
  g_hash_table_iter_init (&iter, self->fault_switches);
  while (g_hash_table_iter_next (&iter, &fault, &fault_switch))
    gtk_switch_set_active (fault_switch, lb_console_get_fault_injected (self->console, fault));
}

/* --- Setup -------------------------------------------------------------------------------------- */

static void
add_setup (LbBenchPage *self, GtkStringList *titles, const char *name)
{
  g_autoptr (LbSetup) setup = lb_setup_load (name, LB_FIDELITY_PIXEL, NULL);
  g_autofree char *file = g_path_get_basename (name);

  gtk_string_list_append (titles, setup != NULL ? lb_setup_get_title (setup) : file);
  g_ptr_array_add (self->setups, g_strdup (name));
}

/* Those that come with it, and the user's own. */
static void
fill_setups (LbBenchPage *self)
{
  const char *chosen = lb_console_get_setup_name (self->console);
  g_autoptr (GtkStringList) titles = gtk_string_list_new (NULL);
  g_autoptr (GPtrArray) files = lb_setup_draft_list_files ();
  guint selected = GTK_INVALID_LIST_POSITION;

  g_ptr_array_set_size (self->setups, 0);
  for (const char *const *preset = lb_setup_list_presets (); *preset != NULL; preset++)
    add_setup (self, titles, *preset);
  for (guint i = 0; i < files->len; i++)
    add_setup (self, titles, g_ptr_array_index (files, i));
  for (guint i = 0; i < self->setups->len; i++)
    if (g_str_equal (g_ptr_array_index (self->setups, i), chosen))
      selected = i;
  if (selected == GTK_INVALID_LIST_POSITION)
    {
      g_autofree char *name = g_path_get_basename (chosen);

      selected = self->setups->len;
      gtk_string_list_append (titles, name);
      g_ptr_array_add (self->setups, g_strdup (chosen));
    }
  self->filling = TRUE;
  adw_combo_row_set_model (self->setup_row, G_LIST_MODEL (titles));
  adw_combo_row_set_selected (self->setup_row, selected);
  self->filling = FALSE;
}

/* The rows say what is in force, not what was tried. */
static void
show_setup (LbBenchPage *self)
{
  guint selected = adw_combo_row_get_selected (self->setup_row);

  if (lb_console_get_task (self->console) != LB_TASK_CONNECT &&
      (selected >= self->setups->len ||
       !g_str_equal (g_ptr_array_index (self->setups, selected), lb_console_get_setup_name (self->console))))
    fill_setups (self);
}

static void
setup_selected_cb (LbBenchPage *self)
{
  guint selected = adw_combo_row_get_selected (self->setup_row);

  if (self->filling || self->console == NULL || selected >= self->setups->len)
    return;
  lb_console_choose_setup (self->console, g_ptr_array_index (self->setups, selected),
                           adw_combo_row_get_selected (self->fidelity_row) == 1 ? LB_FIDELITY_FAST
                                                                                : LB_FIDELITY_PIXEL);
}

static void
file_chosen_cb (GtkWidget *widget, const char *path, gpointer data)
{
  LbBenchPage *self = LB_BENCH_PAGE (widget);

  lb_console_choose_setup (self->console, path,
                           adw_combo_row_get_selected (self->fidelity_row) == 1 ? LB_FIDELITY_FAST
                                                                                : LB_FIDELITY_PIXEL);
}

static void
choose_file_cb (LbBenchPage *self)
{
  GtkFileChooserNative *dialog =
      lb_file_dialog_new (GTK_WIDGET (self), _ ("Choose a Setup File"), GTK_FILE_CHOOSER_ACTION_OPEN);

  lb_file_dialog_add_pattern (dialog, _ ("Setup files (JSON)"), "*.json");
  lb_file_dialog_show (dialog, GTK_WIDGET (self), file_chosen_cb, NULL, NULL);
}

static void
new_setup_cb (LbBenchPage *self)
{
  if (self->setup_window == NULL)
    {
      GtkWindow *window = GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self)));

      g_set_weak_pointer (&self->setup_window, GTK_WINDOW (lb_setup_window_new (window, self->console)));
    }
  gtk_window_present (self->setup_window);
}

/* --- Page ----------------------------------------------------------------------------------------- */

static void
connect_cb (LbBenchPage *self)
{
  lb_console_connect (self->console);
}

static void
disconnect_cb (LbBenchPage *self)
{
  lb_console_disconnect (self->console);
}

static void
check_cb (LbBenchPage *self)
{
  lb_console_check (self->console);
}

static void
show_all (LbBenchPage *self)
{
  LbBench *bench = lb_console_get_bench (self->console);
  gboolean idle = lb_console_get_task (self->console) == LB_TASK_NONE;
  gboolean connected = bench != NULL && lb_bench_get_state (bench) != LB_BENCH_DISCONNECTED;

  show_setup (self);
  self->filling = TRUE;
  gtk_widget_set_sensitive (self->connect_button, idle && !connected);
  gtk_widget_set_sensitive (self->disconnect_button, idle && connected);
  gtk_widget_set_sensitive (self->check_button, idle && connected);
  gtk_widget_set_sensitive (GTK_WIDGET (self->setup_row), idle);
  gtk_widget_set_sensitive (self->file_button, idle);
  gtk_widget_set_sensitive (self->new_button, idle);
  gtk_widget_set_sensitive (GTK_WIDGET (self->fidelity_row),
                            idle && bench != NULL && lb_setup_is_simulated (lb_bench_get_setup (bench)));
  if (bench != NULL && lb_console_get_task (self->console) != LB_TASK_CONNECT)
    adw_combo_row_set_selected (
        self->fidelity_row, lb_setup_get_fidelity (lb_bench_get_setup (bench)) == LB_FIDELITY_FAST ? 1 : 0);
  for (guint role = 0; role < LB_N_ROLES; role++)
    show_device (self, bench, role);
  show_light (self, bench);
  show_faults (self, bench);
  self->filling = FALSE;
}

static void
lb_bench_page_dispose (GObject *object)
{
  LbBenchPage *self = LB_BENCH_PAGE (object);

  g_clear_pointer (&self->root, gtk_widget_unparent);
  g_clear_pointer (&self->setups, g_ptr_array_unref);
  g_clear_pointer (&self->fault_switches, g_hash_table_unref);
  g_clear_weak_pointer (&self->setup_window);
  g_clear_object (&self->console);
  G_OBJECT_CLASS (lb_bench_page_parent_class)->dispose (object);
}

static void
lb_bench_page_class_init (LbBenchPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_bench_page_dispose;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/bench-page.ui");
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, root);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, connect_button);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, disconnect_button);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, check_button);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, file_button);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, new_button);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, setup_row);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, fidelity_row);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, devices_group);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, light_group);
  gtk_widget_class_bind_template_child (widget_class, LbBenchPage, faults_group);
  gtk_widget_class_bind_template_callback (widget_class, connect_cb);
  gtk_widget_class_bind_template_callback (widget_class, disconnect_cb);
  gtk_widget_class_bind_template_callback (widget_class, check_cb);
  gtk_widget_class_bind_template_callback (widget_class, choose_file_cb);
  gtk_widget_class_bind_template_callback (widget_class, new_setup_cb);
  gtk_widget_class_bind_template_callback (widget_class, setup_selected_cb);
}

static void
lb_bench_page_init (LbBenchPage *self)
{
  self->setups = g_ptr_array_new_with_free_func (g_free);
  self->fault_switches = g_hash_table_new (g_str_hash, g_str_equal);
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Bench page"), -1);
  add_device_rows (self);
  add_conditions (self);
  add_faults (self);
}

/**
 * lb_bench_page_new:
 * @console: what it shows
 *
 * Returns: (transfer floating): the page
 */
GtkWidget *
lb_bench_page_new (LbConsole *console)
{
  LbBenchPage *self = g_object_new (LB_TYPE_BENCH_PAGE, NULL);

  self->console = g_object_ref (console);
  self->filling = TRUE;
  adw_combo_row_set_selected (self->fidelity_row,
                              lb_console_get_options (console)->fidelity == LB_FIDELITY_FAST ? 1 : 0);
  fill_setups (self);
  g_signal_connect_object (console, "state-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  show_all (self);
  return GTK_WIDGET (self);
}
