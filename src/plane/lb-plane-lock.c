/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <glib/gi18n.h>

#define TRIES 60
#define BETWEEN_US (50 * 1000)

struct _LbPlaneLock
{
  int fd;
};

/* One of the display server and one of the monitor. */
static char *
get_path (const char *connector)
{
  const char *wayland = g_getenv ("WAYLAND_DISPLAY");
  const char *display = wayland != NULL ? wayland : g_getenv ("DISPLAY");
  g_autofree char *name =
      g_strdup_printf ("lightbench-plane-%s-%s.lock", display != NULL ? display : "", connector);

  g_strdelimit (name, "/", '_');
  return g_build_filename (g_get_user_runtime_dir (), name, NULL);
}

LbPlaneLock *
lb_plane_lock_new (const char *connector, GError **error)
{
  g_autofree char *path = get_path (connector);
  LbPlaneLock *self;
  int fd;

  g_mkdir_with_parents (g_get_user_runtime_dir (), 0700);
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), _ ("%s cannot be written: %s"), path,
                   g_strerror (errno));
      return NULL;
    }
  for (guint i = 0; flock (fd, LOCK_EX | LOCK_NB) != 0; i++)
    {
      if (i == TRIES)
        {
          close (fd);
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                       _ ("another program shows patterns on %s; close it"), connector);
          return NULL;
        }
      g_usleep (BETWEEN_US);
    }
  self = g_new (LbPlaneLock, 1);
  self->fd = fd;
  return self;
}

void
lb_plane_lock_free (LbPlaneLock *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  g_free (self);
}
