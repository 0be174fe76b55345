/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

/* clang-format off */
G_DEFINE_QUARK (lb-plane-error-quark, lb_plane_error)
/* clang-format on */

static gboolean
damaged (GError **error, const char *why)
{
  g_set_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED, _ ("a damaged message came: %s"), why);
  return FALSE;
}

void
lb_plane_message_init (LbPlaneMessage *message, LbPlaneKind kind)
{
  *message = (LbPlaneMessage){ .version = LB_PLANE_VERSION, .kind = kind };
}

void
lb_plane_message_set_text (LbPlaneMessage *message, const char *text)
{
  const char *end;

  g_strlcpy (message->text, text, sizeof message->text);
  if (!g_utf8_validate (message->text, -1, &end))
    message->text[end - message->text] = '\0';
}

/* --- What is a message ---------------------------------------------------------------- */

/**
 * lb_plane_channels_get_name:
 *
 * Returns: the name of it in setup files: "grey", "red-green", ...
 */
const char *
lb_plane_channels_get_name (LbPlaneChannels channels)
{
  static const char *const names[] = {
    "grey", "red", "green", "blue", "red-green", "green-red", "green-blue"
  };

  g_return_val_if_fail ((guint) channels < LB_PLANE_N_CHANNELS, NULL);
  return names[channels];
}

static gboolean
size_is_good (guint32 width, guint32 height)
{
  return width > 0 && height > 0 && width <= LB_PLANE_MAX_SIZE && height <= LB_PLANE_MAX_SIZE;
}

/**
 * lb_plane_spec_check:
 *
 * Returns: whether every field is in range, the region on the monitor, and the drive values within the bits
 */
gboolean
lb_plane_spec_check (const LbPlaneSpec *spec, GError **error)
{
  gboolean two = spec->channels >= LB_PLANE_CHANNELS_RED_GREEN;

  if (!size_is_good (spec->monitor_width, spec->monitor_height) || !size_is_good (spec->width, spec->height))
    return damaged (error, _ ("size out of range"));
  if (spec->x > spec->monitor_width - MIN (spec->width, spec->monitor_width) ||
      spec->y > spec->monitor_height - MIN (spec->height, spec->monitor_height) ||
      spec->width > spec->monitor_width || spec->height > spec->monitor_height)
    return damaged (error, _ ("the region is not on the monitor"));
  if (spec->channels >= LB_PLANE_N_CHANNELS || (two ? spec->bits < 9 || spec->bits > 16 : spec->bits != 8))
    return damaged (error, _ ("channels or bits out of range"));
  if ((spec->flip & ~(guint32) (LB_PLANE_FLIP_HORIZONTAL | LB_PLANE_FLIP_VERTICAL)) != 0 ||
      spec->quarter_turns > 3)
    return damaged (error, _ ("flip or rotation out of range"));
  for (guint level = 0; level < G_N_ELEMENTS (spec->drive); level++)
    if (spec->drive[level] >= 1u << spec->bits)
      return damaged (error, _ ("a drive value has more bits than the plane"));
  return TRUE;
}

void
lb_plane_spec_get_pattern_size (const LbPlaneSpec *spec, guint *width, guint *height)
{
  gboolean turned = spec->quarter_turns % 2 == 1;

  *width = turned ? spec->height : spec->width;
  *height = turned ? spec->width : spec->height;
}

static gboolean
comes_from_plane (LbPlaneKind kind)
{
  return kind >= LB_PLANE_READY;
}

gboolean
lb_plane_message_check (const LbPlaneMessage *message, gboolean from_plane, GError **error)
{
  if (message->version != LB_PLANE_VERSION)
    return damaged (error, _ ("the two programs are not of the same version; install Lightbench anew"));
  if (message->kind == 0 || message->kind >= LB_PLANE_N_KINDS)
    return damaged (error, _ ("unknown kind"));
  if (comes_from_plane (message->kind) != from_plane)
    return damaged (error, _ ("it comes from the wrong side"));
  if (memchr (message->text, '\0', sizeof message->text) == NULL ||
      !g_utf8_validate (message->text, -1, NULL))
    return damaged (error, _ ("its text is none"));
  if (message->faults > LB_PLANE_FAULT_ALL || message->stamp > 2)
    return damaged (error, _ ("faults or kind of time stamp out of range"));
  if ((message->kind == LB_PLANE_READY || message->kind == LB_PLANE_BUFFERS_ARE) &&
      !size_is_good (message->width, message->height))
    return damaged (error, _ ("size out of range"));
  if (message->kind == LB_PLANE_SHOW && (message->buffer >= LB_PLANE_READ_BUFFER || message->ticket == 0))
    return damaged (error, _ ("buffer or ticket out of range"));
  if (message->kind == LB_PLANE_WAS_READ && message->wrong > (guint64) LB_PLANE_MAX_SIZE * LB_PLANE_MAX_SIZE)
    return damaged (error, _ ("more pixels than there are"));
  return message->kind != LB_PLANE_ADD || lb_plane_spec_check (&message->spec, error);
}

/* --- Sockets ----------------------------------------------------------------------------- */

static gboolean
fail_by_errno (GError **error, int code)
{
  if (code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS || code == EINTR)
    g_set_error_literal (error, LB_PLANE_ERROR, LB_PLANE_ERROR_AGAIN,
                         _ ("the other program does not answer"));
  else
    g_set_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED, _ ("the other program is gone: %s"),
                 g_strerror (code));
  return FALSE;
}

gboolean
lb_plane_socket_pair (int sockets[2], GError **error)
{
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0)
    return TRUE;
  return fail_by_errno (error, errno);
}

gboolean
lb_plane_send (int socket, const LbPlaneMessage *message, int fd, GError **error)
{
  struct iovec part = { (void *) message, sizeof *message };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  gssize sent;

  if (fd >= 0)
    {
      struct cmsghdr *with;

      header.msg_control = control.bytes;
      header.msg_controllen = sizeof control.bytes;
      with = CMSG_FIRSTHDR (&header);
      with->cmsg_level = SOL_SOCKET;
      with->cmsg_type = SCM_RIGHTS;
      with->cmsg_len = CMSG_LEN (sizeof (int));
      memcpy (CMSG_DATA (with), &fd, sizeof fd);
    }
  do
    sent = sendmsg (socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent == (gssize) sizeof *message || fail_by_errno (error, sent < 0 ? errno : EMSGSIZE);
}

static void
keep_fd (int candidate, int *fd)
{
  if (fd != NULL && *fd < 0)
    *fd = candidate;
  else
    close (candidate);
}

static void
take_fds (struct msghdr *header, int *fd)
{
  for (struct cmsghdr *with = CMSG_FIRSTHDR (header); with != NULL; with = CMSG_NXTHDR (header, with))
    {
      gsize count;

      if (with->cmsg_level != SOL_SOCKET || with->cmsg_type != SCM_RIGHTS)
        continue;
      count = (with->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (gsize i = 0; i < count; i++)
        {
          int candidate;

          memcpy (&candidate, CMSG_DATA (with) + i * sizeof candidate, sizeof candidate);
          keep_fd (candidate, fd);
        }
    }
}

gboolean
lb_plane_receive (int socket, LbPlaneMessage *message, gboolean from_plane, int *fd, GError **error)
{
  struct iovec part = { message, sizeof *message };
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (4 * sizeof (int))];
  } control;
  struct msghdr header = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
  };
  gssize got;

  if (fd != NULL)
    *fd = -1;
  do
    got = recvmsg (socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return fail_by_errno (error, errno);
  take_fds (&header, fd);
  if (got == 0)
    {
      g_set_error_literal (error, LB_PLANE_ERROR, LB_PLANE_ERROR_CLOSED, _ ("the other program has ended"));
      return FALSE;
    }
  if (got == (gssize) sizeof *message && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
    {
      if (lb_plane_message_check (message, from_plane, error))
        return TRUE;
    }
  else
    damaged (error, _ ("its length is wrong"));
  if (fd != NULL && *fd >= 0)
    {
      close (*fd);
      *fd = -1;
    }
  return FALSE;
}

/* --- Memory ------------------------------------------------------------------------------- */

static int
fail_memory (GError **error, int fd, const char *why)
{
  g_set_error (error, LB_PLANE_ERROR, LB_PLANE_ERROR_DAMAGED, _ ("no memory for patterns: %s"), why);
  if (fd >= 0)
    close (fd);
  return -1;
}

/* Maps it, and asks that its size is sealed: nobody can shrink it then. */
guint8 *
lb_plane_memory_map (int fd, gsize bytes, GError **error)
{
  gsize size = LB_PLANE_BUFFERS * bytes;
  int seals = fcntl (fd, F_GET_SEALS);
  struct stat state;
  void *data;

  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat (fd, &state) != 0 || state.st_size < (off_t) size)
    {
      fail_memory (error, -1, _ ("it is not sealed, or too small"));
      return NULL;
    }
  data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data != MAP_FAILED)
    return data;
  fail_memory (error, -1, g_strerror (errno));
  return NULL;
}

void
lb_plane_memory_unmap (guint8 *data, gsize bytes)
{
  if (data != NULL)
    munmap (data, LB_PLANE_BUFFERS * bytes);
}

int
lb_plane_memory_new (gsize bytes, guint8 **data, GError **error)
{
  int fd = memfd_create ("lightbench-plane", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0 || ftruncate (fd, (off_t) (LB_PLANE_BUFFERS * bytes)) != 0 ||
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_memory (error, fd, g_strerror (errno));
  *data = lb_plane_memory_map (fd, bytes, error);
  if (*data != NULL)
    return fd;
  close (fd);
  return -1;
}
