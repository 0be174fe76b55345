/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-window.h"

#include <glib/gi18n.h>

#include "lb-bench-page.h"
#include "lb-calibrate-page.h"
#include "lb-experiment-page.h"
#include "lb-format.h"
#include "lb-session-page.h"

#define DISK_INTERVAL_S 10
/* Less than this is worth a word in colour. */
#define DISK_LOW_BYTES (G_GUINT64_CONSTANT (1) << 30)

struct _LbWindow
{
  AdwApplicationWindow parent_instance;
  LbConsole *console;

  AdwToastOverlay *toasts;
  AdwWindowTitle *title;
  GtkWidget *stop_button;
  GtkWidget *light_box;
  GtkImage *light_icon;
  GtkLabel *light_label;
  GtkLabel *bench_label;
  GtkRevealer *light_banner;
  GtkLabel *light_banner_label;
  GtkWidget *arm_button;
  GtkRevealer *fault_banner;
  GtkLabel *fault_banner_label;
  GtkBox *side_bar;
  GtkStack *pages;
  GtkSpinner *spinner;
  GtkLabel *status_label;
  GtkProgressBar *status_progress;
  GtkLabel *time_label;
  GtkLabel *dropped_label;
  GtkLabel *disk_label;
  guint disk_source;
};

G_DEFINE_FINAL_TYPE (LbWindow, lb_window, ADW_TYPE_APPLICATION_WINDOW)

typedef struct
{
  const char *name;
  const char *title;
  const char *icon;
  GtkWidget *(*create) (LbConsole *console);
} Page;

static const Page page_table[] = {
  { "bench", N_ ("Bench"), "lightbench-bench-symbolic", lb_bench_page_new },
  { "calibrate", N_ ("Calibrate"), "lightbench-calibrate-symbolic", lb_calibrate_page_new },
  { "experiment", N_ ("Experiment"), "lightbench-experiment-symbolic", lb_experiment_page_new },
  { "session", N_ ("Session"), "lightbench-session-symbolic", lb_session_page_new },
};

/* --- Pages ---------------------------------------------------------------------------- */

/**
 * lb_window_get_page:
 *
 * Returns: (transfer none) (nullable): the page, made if it was never shown
 */
GtkWidget *
lb_window_get_page (LbWindow *self, const char *name)
{
  GtkWidget *page;

  g_return_val_if_fail (LB_IS_WINDOW (self), NULL);

  page = gtk_stack_get_child_by_name (self->pages, name);
  for (guint i = 0; page == NULL && i < G_N_ELEMENTS (page_table); i++)
    if (g_str_equal (page_table[i].name, name))
      {
        page = page_table[i].create (self->console);
        gtk_stack_add_named (self->pages, page, name);
      }
  return page;
}

/**
 * lb_window_show_page:
 * @name: of a page
 */
void
lb_window_show_page (LbWindow *self, const char *name)
{
  GtkWidget *button;

  g_return_if_fail (LB_IS_WINDOW (self));

  if (lb_window_get_page (self, name) == NULL)
    return;
  gtk_stack_set_visible_child_name (self->pages, name);
  button = gtk_widget_get_first_child (GTK_WIDGET (self->side_bar));
  for (guint i = 0; i < G_N_ELEMENTS (page_table); i++, button = gtk_widget_get_next_sibling (button))
    if (g_str_equal (page_table[i].name, name))
      {
        gtk_toggle_button_set_active (GTK_TOGGLE_BUTTON (button), TRUE);
        adw_window_title_set_title (self->title, _ (page_table[i].title));
      }
}

static void
page_toggled_cb (GtkToggleButton *button, LbWindow *self)
{
  if (gtk_toggle_button_get_active (button))
    lb_window_show_page (self, gtk_widget_get_name (GTK_WIDGET (button)));
}

static void
add_side_bar_button (LbWindow *self, const Page *page)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 10);
  GtkWidget *button = gtk_toggle_button_new ();
  GtkWidget *first = gtk_widget_get_first_child (GTK_WIDGET (self->side_bar));

  gtk_box_append (GTK_BOX (box), gtk_image_new_from_icon_name (page->icon));
  gtk_box_append (GTK_BOX (box), gtk_label_new (_ (page->title)));
  gtk_button_set_child (GTK_BUTTON (button), box);
  gtk_widget_set_name (button, page->name);
  gtk_widget_add_css_class (button, "flat");
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, _ (page->title),
                                  -1);
  if (first != NULL)
    gtk_toggle_button_set_group (GTK_TOGGLE_BUTTON (button), GTK_TOGGLE_BUTTON (first));
  gtk_box_append (self->side_bar, button);
  g_signal_connect (button, "toggled", G_CALLBACK (page_toggled_cb), self);
}

static void
page_action_cb (GtkWidget *widget, const char *action, GVariant *parameter)
{
  lb_window_show_page (LB_WINDOW (widget), g_variant_get_string (parameter, NULL));
}

/* --- News -------------------------------------------------------------------------------- */

void
lb_window_add_toast (LbWindow *self, const char *text, const char *button, const char *action)
{
  AdwToast *toast;
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_return_if_fail (LB_IS_WINDOW (self));

  toast = adw_toast_new (escaped);
  if (button != NULL && action != NULL)
    {
      adw_toast_set_button_label (toast, button);
      adw_toast_set_detailed_action_name (toast, action);
      adw_toast_set_timeout (toast, 10);
    }
  adw_toast_overlay_add_toast (self->toasts, toast);
}

static void
news_cb (LbWindow *self, const char *text)
{
  lb_window_add_toast (self, text, NULL, NULL);
}

/* --- Light and bench ------------------------------------------------------------------------ */

typedef struct
{
  const char *text;
  const char *style;
  const char *icon;
} LightLook;

/* In the order of LbLightState. */
static const LightLook light_looks[] = {
  { N_ ("Light off"), "off", "lightbench-light-off-symbolic" },
  { N_ ("Light armed"), "armed", "lightbench-light-off-symbolic" },
  { N_ ("Light on"), "on", "lightbench-light-on-symbolic" },
  { N_ ("Light tripped"), "danger", "lightbench-light-off-symbolic" },
  { N_ ("NOT CONFIRMED OFF"), "danger", "lightbench-light-on-symbolic" },
};

static char *
describe_light (LbBench *bench, LbLightState light)
{
  LbLightSourceCaps caps;

  if (light == LB_LIGHT_ON && lb_bench_get_light_caps (bench, &caps))
    return g_strdup_printf (_ ("Light on, %g %s"),
                            lb_setup_get_optics (lb_bench_get_setup (bench))->light_level, caps.unit);
  return g_strdup (_ (light_looks[light].text));
}

/* A banner that is folded away is nothing that a screen reader should find. */
static void
show_banner (GtkRevealer *banner, GtkLabel *label, const char *text)
{
  if (text != NULL)
    gtk_label_set_text (label, text);
  gtk_widget_set_visible (GTK_WIDGET (banner), text != NULL);
  gtk_revealer_set_reveal_child (banner, text != NULL);
}

static void
show_light_banner (LbWindow *self, LbLightState light, gboolean connected)
{
  const char *text = NULL;

  if (light == LB_LIGHT_NOT_CONFIRMED)
    text = _ ("NOT CONFIRMED OFF: use the key switch. The light source did not confirm within half a second "
              "that it "
              "is off.");
  else if (light == LB_LIGHT_TRIPPED)
    text =
        _ ("The light source has tripped: close the interlock, check key and temperature, then arm again.");
  else if (light == LB_LIGHT_OFF && connected)
    text = _ ("STOP: the light is off and the planes are dark. Arm again to go on.");
  show_banner (self->light_banner, self->light_banner_label, text);
}

static void
show_light (LbWindow *self)
{
  LbBench *bench = lb_console_get_bench (self->console);
  LbLightState light = bench != NULL ? lb_bench_get_light (bench) : LB_LIGHT_OFF;
  g_autofree char *text = describe_light (bench, light);

  for (guint i = 0; i < G_N_ELEMENTS (light_looks); i++)
    gtk_widget_remove_css_class (self->light_box, light_looks[i].style);
  gtk_widget_add_css_class (self->light_box, light_looks[light].style);
  gtk_label_set_text (self->light_label, text);
  gtk_image_set_from_icon_name (self->light_icon, light_looks[light].icon);
  show_light_banner (self, light, lb_console_is_connected (self->console));
}

static void
show_bench (LbWindow *self)
{
  static const char *const states[] = { N_ ("disconnected"), N_ ("ready"), N_ ("at work"), N_ ("faulted") };
  LbBench *bench = lb_console_get_bench (self->console);
  g_autofree char *text = NULL;

  if (bench != NULL)
    text = g_strdup_printf ("%s: %s", lb_setup_get_title (lb_bench_get_setup (bench)),
                            _ (states[lb_bench_get_state (bench)]));
  gtk_label_set_text (self->bench_label, text != NULL ? text : _ ("No bench"));
}

/* --- Status line -------------------------------------------------------------------------------- */

static char *
describe_calibration (LbWindow *self, double *fraction)
{
  const LbStepProgress *progress = lb_console_get_step_progress (self->console);
  const LbCalibrationStep *step = progress != NULL ? lb_calibration_steps_find (progress->step) : NULL;

  if (step == NULL)
    return g_strdup (lb_console_get_task_title (self->console));
  *fraction = progress->fraction;
  return g_strdup_printf (_ ("Calibrating: %s"), _ (step->title));
}

static char *
describe_run (LbWindow *self, double *fraction)
{
  LbSnapshot *snapshot = lb_console_get_snapshot (self->console);
  g_autofree char *left = NULL;

  if (snapshot == NULL)
    return g_strdup (lb_console_get_task_title (self->console));
  *fraction = snapshot->fraction;
  left = lb_format_seconds (snapshot->seconds_left);
  gtk_label_set_text (self->time_label, "");
  if (snapshot->seconds_left > 0)
    {
      g_autofree char *text = g_strdup_printf (_ ("%s of bench time left"), left);

      gtk_label_set_text (self->time_label, text);
    }
  return g_strdup (lb_console_is_paused (self->console) && !snapshot->held ? _ ("Paused")
                                                                           : snapshot->message);
}

static void
show_status (LbWindow *self)
{
  LbTask task = lb_console_get_task (self->console);
  double fraction = -1;
  g_autofree char *text = NULL;

  if (task == LB_TASK_CALIBRATE)
    text = describe_calibration (self, &fraction);
  else if (task == LB_TASK_RUN)
    text = describe_run (self, &fraction);
  else if (task != LB_TASK_NONE)
    text = g_strdup (lb_console_get_task_title (self->console));
  else if (!lb_console_is_connected (self->console))
    text = g_strdup (_ ("Not connected"));
  else if (!lb_console_is_ready (self->console))
    text = g_strdup (_ ("Stopped"));
  else
    text = g_strdup (lb_console_is_calibrated (self->console) ? _ ("Ready, calibrated")
                                                              : _ ("Ready, not calibrated"));
  gtk_label_set_text (self->status_label, text);
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), task != LB_TASK_NONE);
  gtk_spinner_set_spinning (self->spinner, task != LB_TASK_NONE && !lb_console_is_paused (self->console));
  gtk_widget_set_visible (GTK_WIDGET (self->status_progress), fraction >= 0);
  if (fraction >= 0)
    gtk_progress_bar_set_fraction (self->status_progress, CLAMP (fraction, 0, 1));
  gtk_widget_set_visible (GTK_WIDGET (self->time_label), task == LB_TASK_RUN);
}

static void
show_dropped (LbWindow *self)
{
  LbDeviceReading reading;
  g_autofree char *text = NULL;

  lb_console_get_reading (self->console, &reading);
  if (reading.known)
    text = g_strdup_printf (_ ("%llu frames dropped"), (unsigned long long) reading.frames_dropped);
  gtk_label_set_text (self->dropped_label, text != NULL ? text : "");
  gtk_widget_set_visible (GTK_WIDGET (self->dropped_label), reading.known);
}

static void
disk_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LbWindow) self = user_data;
  g_autoptr (GFileInfo) info = g_file_query_filesystem_info_finish (G_FILE (source), result, NULL);
  g_autofree char *size = NULL;
  g_autofree char *text = NULL;
  guint64 bytes;

  if (info == NULL || !g_file_info_has_attribute (info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE))
    return;
  bytes = g_file_info_get_attribute_uint64 (info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE);
  size = g_format_size (bytes);
  text = g_strdup_printf (_ ("%s free"), size);
  gtk_label_set_text (self->disk_label, text);
  if (bytes < DISK_LOW_BYTES)
    gtk_widget_add_css_class (GTK_WIDGET (self->disk_label), "error");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self->disk_label), "error");
}

/* Room where the session is, or will be. */
static gboolean
query_disk (gpointer user_data)
{
  LbWindow *self = user_data;
  LbSession *session = lb_console_get_session (self->console);
  g_autoptr (GFile) folder =
      g_file_new_for_path (session != NULL ? lb_session_get_path (session) : g_get_home_dir ());

  g_file_query_filesystem_info_async (folder, G_FILE_ATTRIBUTE_FILESYSTEM_FREE, G_PRIORITY_LOW, NULL, disk_cb,
                                      g_object_ref (self));
  return G_SOURCE_CONTINUE;
}

static void
show_all (LbWindow *self)
{
  const char *fault = lb_console_get_fault (self->console);

  show_light (self);
  show_bench (self);
  show_status (self);
  show_dropped (self);
  show_banner (self->fault_banner, self->fault_banner_label, fault);
}

/* --- Buttons ------------------------------------------------------------------------------------- */

static void
stop_cb (LbWindow *self)
{
  lb_console_stop (self->console);
}

/* A button that is pressed by a key shows that for a quarter of a second first. */
static gboolean
stop_key_cb (
    GtkEventControllerKey *controller, guint keyval, guint keycode, GdkModifierType state, LbWindow *self)
{
  switch (keyval)
    {
    case GDK_KEY_space:
    case GDK_KEY_KP_Space:
    case GDK_KEY_Return:
    case GDK_KEY_ISO_Enter:
    case GDK_KEY_KP_Enter:
      lb_console_stop (self->console);
      return GDK_EVENT_STOP;
    default:
      return GDK_EVENT_PROPAGATE;
    }
}

static void
arm_cb (LbWindow *self)
{
  lb_console_arm (self->console);
}

static void
dismiss_cb (LbWindow *self)
{
  lb_console_dismiss_fault (self->console);
}

/* Closing the window is quitting: light off first. */
static gboolean
lb_window_close_request (GtkWindow *window)
{
  g_action_group_activate_action (G_ACTION_GROUP (gtk_window_get_application (window)), "quit", NULL);
  return GDK_EVENT_STOP;
}

/* --- The object ------------------------------------------------------------------------------------ */

static void
lb_window_dispose (GObject *object)
{
  LbWindow *self = LB_WINDOW (object);

  g_clear_handle_id (&self->disk_source, g_source_remove);
  g_clear_object (&self->console);
  G_OBJECT_CLASS (lb_window_parent_class)->dispose (object);
}

static void
lb_window_class_init (LbWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = lb_window_dispose;
  GTK_WINDOW_CLASS (klass)->close_request = lb_window_close_request;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/lightbench/Lightbench/window.ui");
  gtk_widget_class_bind_template_child (widget_class, LbWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, title);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, stop_button);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, light_box);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, light_icon);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, light_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, bench_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, light_banner);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, light_banner_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, arm_button);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, fault_banner);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, fault_banner_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, side_bar);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, pages);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, spinner);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, status_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, status_progress);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, time_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, dropped_label);
  gtk_widget_class_bind_template_child (widget_class, LbWindow, disk_label);
  gtk_widget_class_bind_template_callback (widget_class, stop_cb);
  gtk_widget_class_bind_template_callback (widget_class, stop_key_cb);
  gtk_widget_class_bind_template_callback (widget_class, arm_cb);
  gtk_widget_class_bind_template_callback (widget_class, dismiss_cb);
  gtk_widget_class_install_action (widget_class, "win.page", "s", page_action_cb);
}

static void
lb_window_init (LbWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  for (guint i = 0; i < G_N_ELEMENTS (page_table); i++)
    add_side_bar_button (self, &page_table[i]);
}

/**
 * lb_window_new:
 * @application: that it belongs to
 * @console: what it shows
 *
 * Returns: (transfer none): the window, not yet presented
 */
LbWindow *
lb_window_new (GtkApplication *application, LbConsole *console)
{
  LbWindow *self = g_object_new (LB_TYPE_WINDOW, "application", application, NULL);

  self->console = g_object_ref (console);
  g_signal_connect_object (console, "state-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "calibrations-changed", G_CALLBACK (show_all), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "step-progress", G_CALLBACK (show_status), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "snapshot", G_CALLBACK (show_status), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (console, "news", G_CALLBACK (news_cb), self, G_CONNECT_SWAPPED);
  show_all (self);
  lb_window_show_page (self, page_table[0].name);
  gtk_widget_grab_focus (gtk_widget_get_first_child (GTK_WIDGET (self->side_bar)));
  query_disk (self);
  self->disk_source = g_timeout_add_seconds (DISK_INTERVAL_S, query_disk, self);
  return self;
}
