/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include <lb-light-link.h>
#include <lb-program.h>

#include "usb-rig.h"

/*
 * Whatever is asked for, in whatever order and state, nothing over the limit of the
 * setup is sent to a light source: random sequences of calls, the seeds of which are
 * those of the test program (--seed repeats one). What was sent is read from the log
 * of the emulated instrument, whether it took it or not.
 */

typedef struct
{
  const char *name;
  double maximum_ma;
} Model;

/* Every one of the driver's table, by the instruments' data sheets. */
static const Model models[] = {
  { "CLD1010", 1000 }, { "CLD1011", 1000 }, { "CLD1015", 1500 }, { "ITC4001", 1000 },
  { "ITC4002", 2000 }, { "ITC4005", 5000 }, { "DC2200", 4000 },
};

#define CALLS 60

/* --- What was sent ------------------------------------------------------------------------------- */

typedef struct
{
  guint currents;    /* set points that were sent */
  double largest_ma; /* of them */
} Sent;

static Sent
check_sent (Instrument *instrument, gsize from, double limit_ma)
{
  g_autofree char *log = instrument_dup_log (instrument);
  g_auto (GStrv) lines = g_strsplit (log + from, "\n", -1);
  Sent sent = { 0 };

  for (char **line = lines; *line != NULL; line++)
    {
      char *end, *value = strchr (*line, ' ');
      double amperes = value != NULL ? g_ascii_strtod (value, &end) : 0;

      /* A header that ends in the word for current, of a source or its limit, and a
       * number. */
      if (value == NULL || end == value || g_strstr_len (*line, value - *line, "CUR") == NULL)
        continue;
      g_assert_cmpstr (end, ==, "");
      g_assert_true (isfinite (amperes));
      g_assert_cmpfloat (amperes, >=, 0);
      if (amperes * 1000 > limit_ma + 1e-9)
        g_error ("\"%s\" with a limit of %.9g mA", *line, limit_ma);
      if (g_strstr_len (*line, value - *line, "LIM") != NULL)
        continue;
      sent.currents++;
      sent.largest_ma = MAX (sent.largest_ma, amperes * 1000);
    }
  return sent;
}

static gsize
get_log_length (Instrument *instrument)
{
  g_autofree char *log = instrument_dup_log (instrument);

  return strlen (log);
}

/* --- What is asked for ----------------------------------------------------------------------------- */

static double
get_random_level (double limit_ma)
{
  const double odd[] = { NAN,          -NAN,     INFINITY, -INFINITY, -1,
                         -0.0,         limit_ma, 1e300,    5e-324,    nextafter (limit_ma, INFINITY),
                         limit_ma * 2, 1e9,      -1e300,   0,         limit_ma + 0.0004 };

  if (g_test_rand_int_range (0, 2) == 0)
    return odd[g_test_rand_int_range (0, G_N_ELEMENTS (odd))];
  return g_test_rand_double_range (-0.1, g_test_rand_int_range (0, 2) == 0 ? 3 : 1) * limit_ma;
}

static double
get_random_limit (const Model *model)
{
  const double limits[] = { 0.001, 12.3456789, 80, model->maximum_ma / 2, model->maximum_ma };
  gint32 which = g_test_rand_int_range (0, G_N_ELEMENTS (limits) + 3);

  return which < (gint32) G_N_ELEMENTS (limits) ? limits[which]
                                                : g_test_rand_double_range (1, model->maximum_ma);
}

/* What a person or the world does to the instrument; nothing of it is sent. */
static void
happen (UsbRig *rig, const Model *model)
{
  switch (g_test_rand_int_range (0, 5))
    {
    case 0:
      instrument_set_current (rig->light, g_test_rand_double_range (0, model->maximum_ma / 1000));
      break;
    case 1:
      instrument_set_output (rig->light, g_test_rand_int_range (0, 2) == 0);
      break;
    case 2:
      usb_instrument_set_fault (rig->light_usb,
                                g_test_rand_int_range (0, 2) == 0 ? USB_FAULT_STALL_OUT : USB_FAULT_STALL_IN);
      break;
    default:
      instrument_set_condition (rig->light, g_test_rand_int_range (0, 2), g_test_rand_int_range (0, 4) == 0);
    }
}

static void
do_something (UsbRig *rig, const Model *model, double limit_ma, guint64 *generation)
{
  LbLightSourceState state;

  switch (g_test_rand_int_range (0, 9))
    {
    case 0:
    case 1:
    case 2:
      lb_light_source_set_level (rig->source, get_random_level (limit_ma), NULL, NULL, usb_rig_in (1000),
                                 NULL);
      break;
    case 3:
    case 4:
      lb_light_source_output_on (rig->source, *generation - (guint64) g_test_rand_int_range (0, 2),
                                 g_test_rand_int_range (-1, 1100000), NULL, usb_rig_in (1000), NULL);
      break;
    case 5:
      lb_light_source_output_off (rig->source, NULL, usb_rig_in (1000), NULL);
      break;
    case 6:
      lb_light_source_renew (rig->source, *generation, 500000, NULL, usb_rig_in (1000), NULL);
      lb_light_source_read_state (rig->source, &state, NULL, usb_rig_in (1000), NULL);
      break;
    case 7:
      if (g_test_rand_int_range (0, 4) == 0)
        lb_light_source_off_now (rig->source, ++*generation);
      break;
    default:
      happen (rig, model);
    }
}

/* With a limit, and in the same instrument with another one. */
static void
test_random_calls (gconstpointer data)
{
  const Model *model = data;
  guint rounds = g_test_slow () ? 12 : 1, currents = 0;

  for (guint i = 0; i < rounds; i++)
    {
      UsbRig *rig = usb_rig_new (model->name, "PM100D", ", \"ramp_ma_per_s\": 20000");
      guint64 generation = 2;

      for (guint part = 0; part < 2; part++)
        {
          double limit_ma = i + part == 0 ? USB_RIG_LIMIT : get_random_limit (model);
          gsize from = get_log_length (rig->light);
          Sent sent;

          usb_rig_change_limit (rig, limit_ma);
          usb_rig_open (rig);
          /* All that is allowed can be had, or this proves nothing. */
          usb_rig_light_up (rig, limit_ma, generation);
          for (guint call = 0; call < CALLS; call++)
            do_something (rig, model, limit_ma, &generation);
          lb_device_close (LB_DEVICE (rig->source), NULL, usb_rig_in (5000), NULL);
          sent = check_sent (rig->light, from, limit_ma);
          g_assert_cmpfloat_with_epsilon (sent.largest_ma, limit_ma, 0.001);
          currents += sent.currents;
          for (guint condition = 0; condition < INSTRUMENT_N_CONDITIONS; condition++)
            instrument_set_condition (rig->light, condition, FALSE);
          usb_instrument_set_fault (rig->light_usb, USB_FAULT_NONE);
        }
      usb_rig_free (rig);
    }
  g_test_message ("%u set points were sent", currents);
}

/* --- Past the driver ----------------------------------------------------------------------------------- */

/* NULL: it does not start, and @error is set. */
static LbLightLink *
start_process (const char *model, const char *limit, GError **error)
{
  const char *const options[] = { "--model", model, "--serial", USB_RIG_LIGHT, "--limit", limit };
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  LbLightLink *link = lb_light_link_new ();

  g_ptr_array_add (arguments, lb_program_find ("lightbench-light"));
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    g_ptr_array_add (arguments, g_strdup (options[i]));
  if (lb_light_link_start (link, arguments, error))
    return link;
  lb_light_link_free (link);
  return NULL;
}

static gboolean
request (UsbRig *rig, LbLightLink *link, LbLightRequest *message, GError **error)
{
  LbLightReply reply;

  return lb_light_link_request (link, message, &reply, LB_DEVICE (rig->source), NULL, error);
}

/* The limit is the process's own: a driver that checks nothing cannot get past it. */
static void
test_random_requests (gconstpointer data)
{
  const Model *model = data;
  UsbRig *rig = usb_rig_new (model->name, "PM100D", "");
  LbLightRequest message = { .kind = LB_LIGHT_OPEN, .deadline_us = usb_rig_in (5000) };
  g_autoptr (GError) error = NULL;
  LbLightLink *link = start_process (model->name, "80", &error);
  Sent sent;

  g_assert_no_error (error);
  g_assert_true (request (rig, link, &message, &error));
  for (guint i = 0; i < CALLS; i++)
    {
      message.kind = (LbLightRequestKind) g_test_rand_int_range (LB_LIGHT_OPEN, LB_LIGHT_STATE + 1);
      message.generation = 1;
      message.lease_us = g_test_rand_int_range (-1, 1100000);
      message.deadline_us = usb_rig_in (1000);
      message.level_ma = get_random_level (80);
      if (!request (rig, link, &message, NULL))
        continue;
      if (message.kind == LB_LIGHT_LEVEL || message.kind == LB_LIGHT_HOLD)
        g_assert_true (message.level_ma >= 0 && message.level_ma <= 80);
    }
  message = (LbLightRequest){
    .kind = LB_LIGHT_HOLD, .generation = 1, .lease_us = G_USEC_PER_SEC, .deadline_us = usb_rig_in (3000)
  };
  message.level_ma = 79;
  g_assert_true (request (rig, link, &message, &error));
  lb_light_link_end (link, usb_rig_in (3000), NULL);
  lb_light_link_free (link);
  sent = check_sent (rig->light, 0, 80);
  g_assert_cmpfloat (sent.largest_ma, >=, 79);
  usb_rig_free (rig);
}

static void
test_limit_that_is_none_starts_nothing (void)
{
  static const char *const limits[] = { "", "nan", "inf", "-1", "80 A", "eighty", "1e999" };
  UsbRig *rig = usb_rig_new ("CLD1015", "PM100D", "");

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      LbLightRequest message = { .kind = LB_LIGHT_OPEN, .deadline_us = usb_rig_in (3000) };
      g_autoptr (GError) error = NULL;
      LbLightLink *link = start_process ("CLD1015", limits[i], &error);

      g_assert_true (link == NULL || !request (rig, link, &message, &error));
      g_assert_nonnull (error);
      if (link != NULL)
        lb_light_link_free (link);
    }
  g_assert_cmpuint (get_log_length (rig->light), ==, 0);
  usb_rig_free (rig);
}

int
main (int argc, char **argv)
{
  /* An instrument that does not answer in time is told to be off: a busy computer must not
   * look like one. */
  setpriority (PRIO_PROCESS, 0, -15);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    {
      g_autofree char *calls = g_strdup_printf ("/light/limit/random-calls/%s", models[i].name);
      g_autofree char *requests = g_strdup_printf ("/light/limit/random-requests/%s", models[i].name);

      g_test_add_data_func (calls, &models[i], test_random_calls);
      g_test_add_data_func (requests, &models[i], test_random_requests);
    }
  g_test_add_func ("/light/limit/one-that-is-none-starts-nothing", test_limit_that_is_none_starts_nothing);
  return g_test_run ();
}
