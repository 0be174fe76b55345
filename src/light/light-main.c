/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gi18n.h>

#include "light-keeper.h"

/*
 * lightbench-light: the only process that opens a light source. It is started by
 * the program with two sockets and a page of shared memory (lb-light-protocol.h),
 * gives light as a lease, and switches it off when nobody renews it, when a
 * socket is closed, and when it is told to end.
 */

#define NICE -15
/* How long it goes on trying to switch off a device that does not answer. */
#define END_US (30 * G_USEC_PER_SEC)

enum
{
  FD_CONTROL,
  FD_STOP,
  FD_SIGNAL,
  FD_WAKE,
  N_FDS,
};

/* Texts owned. */
typedef struct
{
  char *model;
  char *serial;
  double limit_ma, temperature_c, ramp_ma_per_s;
  int control_fd, stop_fd, status_fd;
} Arguments;

/* --- Arguments ------------------------------------------------------------------------------ */

/* What is no limit must not be taken for one that lets everything through. */
static gboolean
parse_limit (const char *text, double *limit_ma, GError **error)
{
  char *end;

  *limit_ma = g_ascii_strtod (text, &end);
  if (end != text && *end == '\0' && isfinite (*limit_ma) && *limit_ma >= 0)
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _ ("--limit: \"%s\" is no current"), text);
  return FALSE;
}

static gboolean
parse_arguments (Arguments *arguments, int argc, char **argv, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autofree char *limit = NULL;
  g_autofree char *temperature = NULL;
  g_autofree char *ramp = NULL;
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_STRING, &arguments->model, N_ ("model of the light source"), N_ ("NAME") },
    { "serial", 0, 0, G_OPTION_ARG_STRING, &arguments->serial, N_ ("its serial number"), N_ ("NUMBER") },
    { "limit", 0, 0, G_OPTION_ARG_STRING, &limit, N_ ("current that is never exceeded"), N_ ("MA") },
    { "temperature", 0, 0, G_OPTION_ARG_STRING, &temperature, N_ ("of the cooler"), N_ ("CELSIUS") },
    { "ramp", 0, 0, G_OPTION_ARG_STRING, &ramp, N_ ("steepest change of the current"), N_ ("MA_PER_S") },
    { "control-fd", 0, 0, G_OPTION_ARG_INT, &arguments->control_fd, N_ ("socket of requests"), N_ ("FD") },
    { "stop-fd", 0, 0, G_OPTION_ARG_INT, &arguments->stop_fd, N_ ("socket of STOP"), N_ ("FD") },
    { "status-fd", 0, 0, G_OPTION_ARG_INT, &arguments->status_fd, N_ ("shared memory"), N_ ("FD") },
    { NULL },
  };

  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _ ("Owns a light source for Lightbench, which starts it."));
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (arguments->model == NULL || arguments->serial == NULL || limit == NULL || arguments->control_fd < 0 ||
      arguments->stop_fd < 0 || arguments->status_fd < 0)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           _ ("it is started by Lightbench, not by hand"));
      return FALSE;
    }
  if (!parse_limit (limit, &arguments->limit_ma, error))
    return FALSE;
  arguments->temperature_c = temperature != NULL ? g_ascii_strtod (temperature, NULL) : NAN;
  arguments->ramp_ma_per_s = ramp != NULL ? g_ascii_strtod (ramp, NULL) : 0;
  return TRUE;
}

static LbLightStatus *
map_status (int fd)
{
  void *page = mmap (NULL, sizeof (LbLightStatus), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  return page != MAP_FAILED ? page : NULL;
}

/* All ways of being told to end, as a descriptor. */
static int
open_signals (void)
{
  sigset_t signals;

  sigemptyset (&signals);
  sigaddset (&signals, SIGTERM);
  sigaddset (&signals, SIGINT);
  sigaddset (&signals, SIGHUP);
  sigaddset (&signals, SIGQUIT);
  sigprocmask (SIG_BLOCK, &signals, NULL);
  signal (SIGPIPE, SIG_IGN);
  return signalfd (-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- Sockets -------------------------------------------------------------------------------------- */

static void
send_reply (int fd, const LbLightReply *reply)
{
  /* A program that does not read its replies does not get them. */
  if (reply->serial != 0)
    send (fd, reply, sizeof *reply, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* FALSE: the other end is closed. */
static gboolean
receive (int fd, LbLightRequest *request, gboolean *got)
{
  ssize_t length = recv (fd, request, sizeof *request, MSG_DONTWAIT);

  *got = length == sizeof *request && request->protocol == LB_LIGHT_PROTOCOL;
  return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

static gboolean
read_control (LightKeeper *keeper, int fd)
{
  LbLightRequest request;
  LbLightReply reply;
  gboolean got;
  gboolean open = receive (fd, &request, &got);

  if (got && light_keeper_request (keeper, &request, &reply))
    send_reply (fd, &reply);
  return open;
}

static gboolean
read_stop (LightKeeper *keeper, int fd)
{
  LbLightRequest request;
  gboolean got;
  gboolean open = receive (fd, &request, &got);

  if (got)
    light_keeper_stop (keeper, request.generation);
  return open;
}

static void
send_replies (LightKeeper *keeper, int control_fd, int wake_fd)
{
  guint64 count;
  LbLightReply reply;

  if (read (wake_fd, &count, sizeof count) < 0)
    return;
  while (light_keeper_take_reply (keeper, &reply))
    send_reply (control_fd, &reply);
}

static int
get_timeout_ms (gint64 end_us)
{
  gint64 left_us = end_us - g_get_monotonic_time ();

  return end_us < 0 ? -1 : left_us <= 0 ? 0 : (int) ((left_us + 999) / 1000);
}

/* Until somebody closes a socket, or it is told to end. */
static void
serve (LightKeeper *keeper, struct pollfd *fds)
{
  for (;;)
    {
      if (poll (fds, N_FDS, get_timeout_ms (light_keeper_check_lease (keeper))) < 0 && errno != EINTR)
        return;
      /* STOP before everything else. */
      if (fds[FD_STOP].revents != 0 && !read_stop (keeper, fds[FD_STOP].fd))
        return;
      if (fds[FD_SIGNAL].revents != 0)
        return;
      if (fds[FD_CONTROL].revents != 0 && !read_control (keeper, fds[FD_CONTROL].fd))
        return;
      if (fds[FD_WAKE].revents != 0)
        send_replies (keeper, fds[FD_CONTROL].fd, fds[FD_WAKE].fd);
    }
}

static int
run (const Arguments *arguments, const LbUsbModel *model, LbLightStatus *status)
{
  const LbScpiLightOptions options = { arguments->limit_ma, arguments->temperature_c,
                                       arguments->ramp_ma_per_s };
  struct pollfd fds[N_FDS] = {
    [FD_CONTROL] = { arguments->control_fd, POLLIN, 0 },
    [FD_STOP] = { arguments->stop_fd, POLLIN, 0 },
    [FD_SIGNAL] = { open_signals (), POLLIN, 0 },
    [FD_WAKE] = { eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK), POLLIN, 0 },
  };
  LightKeeper *keeper = light_keeper_new (model, arguments->serial, &options, status, fds[FD_WAKE].fd);

  serve (keeper, fds);
  if (light_keeper_end (keeper, g_get_monotonic_time () + END_US))
    return EXIT_SUCCESS;
  g_printerr ("lightbench-light: %s\n",
              _ ("the light source does not confirm that it is off: use the key switch"));
  /* Its thread is still in the device. */
  _exit (EXIT_FAILURE);
}

static int
start (const Arguments *arguments)
{
  const LbUsbModel *model = lb_usb_model_find (arguments->model);
  LbLightStatus *status = map_status (arguments->status_fd);

  if (model == NULL || model->light == NULL || status == NULL)
    {
      g_printerr ("lightbench-light: %s\n", _ ("it is started by Lightbench, not by hand"));
      return 2;
    }
  /* Where it may: it has little to do, and must not wait for those who have much. */
  setpriority (PRIO_PROCESS, 0, NICE);
  /* Ctrl+C in a terminal is for the program, which then says what is to be done. */
  setsid ();
  return run (arguments, model, status);
}

int
main (int argc, char **argv)
{
  Arguments arguments = { .control_fd = -1, .stop_fd = -1, .status_fd = -1 };
  const char *locale_folder = g_getenv ("LIGHTBENCH_LOCALE_DIR");
  g_autoptr (GError) error = NULL;
  int exit_code = 2;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_folder != NULL ? locale_folder : LB_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  if (parse_arguments (&arguments, argc, argv, &error))
    exit_code = start (&arguments);
  else
    g_printerr ("lightbench-light: %s\n", error->message);
  g_free (arguments.model);
  g_free (arguments.serial);
  return exit_code;
}
