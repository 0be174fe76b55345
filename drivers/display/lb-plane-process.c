/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plane-process.h"

#include <unistd.h>

#include <glib/gi18n-lib.h>

#define PROGRAM "lightbench-plane"
#define CONTROL_FD 3

struct _LbPlaneProcess
{
  char *key;
  guint members;
  int control;
  GSubprocess *process;
};

/* Those that run, by monitor; guarded by the lock. */
static GMutex lock;
static GHashTable *processes;

char *
lb_plane_process_find_program (void)
{
  const char *given = g_getenv ("LIGHTBENCH_PLANE");
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname (self) : NULL;
  char *beside;

  if (given != NULL && given[0] != '\0')
    return g_strdup (given);
  /* In the build folder the programs stand in folders side by side. */
  beside = folder != NULL ? g_build_filename (folder, "..", "plane", PROGRAM, NULL) : g_strdup ("");
  if (g_file_test (beside, G_FILE_TEST_IS_EXECUTABLE))
    return beside;
  g_free (beside);
  return g_build_filename (LB_LIBEXEC_DIR, PROGRAM, NULL);
}

static char *
make_key (const LbDisplayOptions *options)
{
  return g_strjoin ("\n", options->choice.connector, options->choice.make, options->choice.model,
                    options->choice.serial, options->path, NULL);
}

/* With the lock held. */
static void
process_free (LbPlaneProcess *self)
{
  if (g_hash_table_lookup (processes, self->key) == self)
    g_hash_table_remove (processes, self->key);
  /* Its end of file is what ends the process. */
  close (self->control);
  g_clear_object (&self->process);
  g_free (self->key);
  g_free (self);
}

static LbPlaneProcess *
start (const LbDisplayOptions *options, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *program = lb_plane_process_find_program ();
  const char *const arguments[] = {
    program,       "--control-fd=3",          "--path",   options->path,
    "--connector", options->choice.connector, "--make",   options->choice.make,
    "--model",     options->choice.model,     "--serial", options->choice.serial,
    NULL
  };
  LbPlaneProcess *self;
  GSubprocess *process;
  int sockets[2];

  if (!lb_plane_socket_pair (sockets, error))
    return NULL;
  g_subprocess_launcher_take_fd (launcher, sockets[1], CONTROL_FD);
  process = g_subprocess_launcher_spawnv (launcher, arguments, error);
  if (process == NULL)
    {
      close (sockets[0]);
      g_prefix_error (error, _ ("the program that shows patterns cannot be started (%s): "), program);
      return NULL;
    }
  self = g_new0 (LbPlaneProcess, 1);
  self->key = make_key (options);
  self->control = sockets[0];
  self->process = process;
  g_hash_table_insert (processes, self->key, self);
  return self;
}

static gboolean
add (LbPlaneProcess *self, const LbDisplayOptions *options, int *socket, GError **error)
{
  LbPlaneMessage message;
  int sockets[2];
  gboolean sent;

  if (!lb_plane_socket_pair (sockets, error))
    return FALSE;
  lb_plane_message_init (&message, LB_PLANE_ADD);
  message.spec = options->spec;
  sent = lb_plane_send (self->control, &message, sockets[1], error);
  close (sockets[1]);
  if (sent)
    {
      *socket = sockets[0];
      self->members++;
      return TRUE;
    }
  close (sockets[0]);
  return FALSE;
}

/* With the lock held. */
static LbPlaneProcess *
join (const LbDisplayOptions *options, int *socket, GError **error)
{
  g_autofree char *key = make_key (options);
  LbPlaneProcess *self;

  if (processes == NULL)
    processes = g_hash_table_new (g_str_hash, g_str_equal);
  self = g_hash_table_lookup (processes, key);
  if (self != NULL && add (self, options, socket, NULL))
    return self;
  /* One that has died: whoever still holds it frees it. */
  if (self != NULL)
    g_hash_table_remove (processes, key);
  self = start (options, error);
  if (self == NULL || add (self, options, socket, error))
    return self;
  process_free (self);
  return NULL;
}

LbPlaneProcess *
lb_plane_process_join (const LbDisplayOptions *options, int *socket, GError **error)
{
  LbPlaneProcess *self;

  g_mutex_lock (&lock);
  self = join (options, socket, error);
  g_mutex_unlock (&lock);
  return self;
}

void
lb_plane_process_leave (LbPlaneProcess *self)
{
  g_mutex_lock (&lock);
  if (--self->members == 0)
    process_free (self);
  g_mutex_unlock (&lock);
}
