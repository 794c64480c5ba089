/* Checkpoints: what is saved comes back bit for bit, and nothing else is taken for it. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "train/problem.h"
#include "train/train_test.h"
#include "train/trainer.h"

static problem karate;
static char folder[64];
static char path[128];

static void set_up(void) {
  problem_open(&karate, "karate");
  strcpy(folder, "test-checkpoint-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/model.safetensors", folder);
}

static void take_down(void) {
  DIR *entries = opendir(folder);
  struct dirent *entry;
  while ((entry = readdir(entries)) != NULL) {
    char name[512];
    snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] != '.') remove(name);
  }
  closedir(entries);
  rmdir(folder);
  problem_end(&karate);
}

static size_t parameter_bytes(const heed_model *model) {
  return (size_t)heed_model_parameter_count(model) * sizeof(float);
}

/* With state, so batch norm. */
static heed_model *new_model(heed_model_kind kind, uint64_t seed) {
  heed_model *model;
  heed_model_spec spec = problem_model(&karate, kind);
  spec.norm = HEED_NORM_BATCH;
  ok(heed_model_build(&model, &spec, seed));
  for (int64_t i = 0; i < heed_model_state_count(model); i++) {
    heed_model_state(model)[i] += 0.125F * (float)i;
  }
  return model;
}

static void check_same(heed_model *a, heed_model *b) {
  ck_assert_int_eq(heed_model_parameter_count(a), heed_model_parameter_count(b));
  ck_assert_int_eq(heed_model_state_count(a), heed_model_state_count(b));
  ck_assert_mem_eq(heed_model_parameters(a), heed_model_parameters(b), parameter_bytes(a));
  ck_assert_mem_eq(heed_model_state(a), heed_model_state(b),
                   (size_t)heed_model_state_count(a) * sizeof(float));
}

START_TEST(models_come_back) {
  const char *const extra[] = {"answer", "42", "place", "karate", NULL};
  for (int kind = HEED_MODEL_MLP; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_model *model = new_model((heed_model_kind)kind, 3), *again;
    ck_assert_int_gt(heed_model_state_count(model), 0);
    ok(heed_model_save(model, path, extra));
    ok(heed_model_load(&again, path));
    check_same(model, again);
    char text[1024], other[1024];
    ok(heed_model_spec_write(heed_model_get_spec(model), text, sizeof text));
    ok(heed_model_spec_write(heed_model_get_spec(again), other, sizeof other));
    ck_assert_str_eq(text, other);
    heed_safetensors *file;
    ok(heed_safetensors_open(&file, path));
    ck_assert_str_eq(heed_safetensors_metadata(file, "heed.model"), text);
    ck_assert_str_eq(heed_safetensors_metadata(file, "heed.version"), heed_version());
    ck_assert_str_eq(heed_safetensors_metadata(file, "answer"), "42");
    ck_assert_str_eq(heed_safetensors_metadata(file, "place"), "karate");
    heed_safetensors_close(file);
    heed_model_free(again);
    /* The same file is a state for another model of the same shapes. */
    again = new_model((heed_model_kind)kind, 4);
    ok(heed_model_import(again, path, ""));
    check_same(model, again);
    heed_model_free(again);
    heed_model_free(model);
  }
}
END_TEST

START_TEST(weights_have_pytorchs_shape) {
  heed_model *model;
  ok(heed_model_new(&model, 3));
  ok(heed_model_finish(model, heed_model_linear(model, "a", heed_model_features(model), 2, true),
                       1));
  float weight[] = {1, 2, 3, 4, 5, 6}, back[6];
  for (int i = 0; i < heed_model_tensors(model); i++) {
    heed_parameter p = heed_model_tensor(model, i);
    if (strcmp(p.name, "a.weight") == 0) heed_parameter_import(&p, weight);
  }
  ok(heed_model_save(model, path, NULL));
  heed_safetensors *file;
  ok(heed_safetensors_open(&file, path));
  const heed_array *array = heed_safetensors_find(file, "a.weight");
  ck_assert_ptr_nonnull(array);
  ck_assert_int_eq(array->shape[0], 2);
  ck_assert_int_eq(array->shape[1], 3);
  ok(heed_safetensors_read(file, "a.weight", back, 6));
  ck_assert_mem_eq(weight, back, sizeof back);
  heed_safetensors_close(file);
  heed_model *again;
  fails(heed_model_load(&again, path), HEED_FORMAT, "heed.model"); /* built by hand */
  heed_model_free(model);
}
END_TEST

START_TEST(save_refuses_what_makes_no_sense) {
  heed_model *model = new_model(HEED_MODEL_GAT, 1);
  fails(heed_model_save(model, "no-such-folder/model.safetensors", NULL), HEED_IO,
        "no-such-folder");
  fails(heed_model_save(model, path, (const char *const[]){"heed.model", "x", NULL}), HEED_ARGUMENT,
        "heed.model");
  fails(heed_model_save(model, path, (const char *const[]){"lonely", NULL, NULL}), HEED_ARGUMENT,
        "lonely");
  size_t held = heed_memory_held();
  long n = 0;
  for (;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_model_save(model, path, NULL);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_int_ne(access(path, F_OK), 0);
  }
  ck_assert_int_gt(n, 3);
  heed_model *again;
  for (n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_model_load(&again, path);
    heed__alloc_fail_after(-1);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  ck_assert_int_gt(n, 10);
  check_same(model, again);
  heed_model_free(again);
  heed_model_free(model);
}
END_TEST

/* Rewrites a file with other metadata, and, where `tensor` is given, without that tensor or with
 * its shape made flat. */
static void rewrite(const char *from, const char *to, const char *const *metadata,
                    const char *tensor, bool leave_out) {
  heed_safetensors *file;
  ok(heed_safetensors_open(&file, from));
  int n = heed_safetensors_count(file), kept = 0;
  heed_array *arrays = calloc((size_t)n, sizeof *arrays);
  for (int i = 0; i < n; i++) {
    const heed_array *array = heed_safetensors_at(file, i);
    bool it = tensor != NULL && strcmp(array->name, tensor) == 0;
    if (it && leave_out) continue;
    int64_t numbers = 1;
    for (int d = 0; d < array->n_dims; d++) numbers *= array->shape[d];
    float *data = malloc((size_t)numbers * sizeof *data);
    ok(heed_safetensors_read(file, array->name, data, numbers));
    arrays[kept] = *array;
    arrays[kept].data = data;
    if (it) {
      arrays[kept].n_dims = 1;
      arrays[kept].shape[0] = numbers;
    }
    kept++;
  }
  ok(heed_safetensors_write(to, arrays, kept, metadata));
  for (int i = 0; i < kept; i++) free((void *)(uintptr_t)arrays[i].data);
  free(arrays);
  heed_safetensors_close(file);
}

START_TEST(load_refuses_hostile_files) {
  heed_model *model = new_model(HEED_MODEL_TRANSFORMER, 1), *again;
  char text[1024], other[160];
  snprintf(other, sizeof other, "%s/other.safetensors", folder);
  ok(heed_model_spec_write(heed_model_get_spec(model), text, sizeof text));
  ok(heed_model_save(model, path, NULL));
  size_t held = heed_memory_held();
  const char *metadata[] = {"heed.model", text, NULL};
  rewrite(path, other, metadata, NULL, false);
  ok(heed_model_load(&again, other)); /* as it should be */
  check_same(model, again);
  heed_model_free(again);
  rewrite(path, other, metadata, "input.weight", true);
  fails(heed_model_load(&again, other), HEED_SHAPE, "numbers");
  rewrite(path, other, metadata, "input.weight", false);
  fails(heed_model_load(&again, other), HEED_SHAPE, "'input.weight' is [272] instead of [8, 34]");
  rewrite(path, other, NULL, NULL, false);
  fails(heed_model_load(&again, other), HEED_FORMAT, "heed.model");
  const char *const texts[] = {"",
                               "kind=tree",
                               "kind=transformer features=0",
                               "kind=gat features=-5 outputs=2",
                               "kind=mlp features=2000000000 outputs=2000000000 hidden=2000000000",
                               "kind=mlp features=2000000000 outputs=100 hidden=10000 layers=900",
                               "kind=gat features=34 outputs=2 hidden=8 heads=3",
                               "kind=transformer features=34 outputs=2 blocks=MXM",
                               "features"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    metadata[1] = texts[i];
    rewrite(path, other, metadata, NULL, false);
    heed_status status = heed_model_load(&again, other);
    ck_assert_msg(status == HEED_FORMAT || status == HEED_SHAPE, "%s: %s: %s", texts[i],
                  heed_status_name(status), heed_message());
    ck_assert_ptr_nonnull(strstr(heed_message(), "other.safetensors"));
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  /* Cut anywhere. */
  FILE *file = fopen(path, "rb");
  static char content[1 << 17];
  size_t bytes = fread(content, 1, sizeof content, file);
  fclose(file);
  ck_assert_uint_lt(bytes, sizeof content);
  /* As many numbers under another name. */
  char *name = strstr(content + 8, "\"input.weight\""); /* behind the header's length */
  ck_assert_ptr_nonnull(name);
  name[1] = 'o';
  file = fopen(other, "wb");
  fwrite(content, 1, bytes, file);
  fclose(file);
  fails(heed_model_load(&again, other), HEED_FORMAT, "there is no tensor 'input.weight'");
  name[1] = 'i';
  for (size_t cut = 0; cut < bytes; cut += 1 + cut / 16) {
    file = fopen(other, "wb");
    fwrite(content, 1, cut, file);
    fclose(file);
    ck_assert_int_eq(heed_model_load(&again, other), HEED_FORMAT);
    ck_assert_uint_eq(heed_memory_held(), held);
  }
  heed_model_free(model);
}
END_TEST

/* --- A fit in progress --- */

static heed_fit_spec fit_spec(void) {
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = 40;
  fit.patience = 30;
  fit.watch = HEED_WATCH_BOTH;
  fit.optimizer.rate = 0.1F;
  fit.optimizer.weight_decay = 0.01F;
  fit.optimizer.clip = 0.5F;
  fit.optimizer.schedule = HEED_SCHEDULE_PLATEAU;
  fit.optimizer.schedule_patience = 1;
  return fit;
}

typedef struct half {
  heed_model *model;
  heed_trainer *trainer;
} half;

static half begin(const heed_fit_spec *fit, heed_model_kind kind, uint64_t seed) {
  half h;
  h.model = new_model(kind, seed);
  ok(heed_trainer_new(&h.trainer, h.model, &karate.task, fit, seed));
  return h;
}

static void end(half *h) {
  heed_trainer_free(h->trainer);
  heed_model_free(h->model);
}

static void run_epochs(half *h, int n, heed_epoch *epochs) {
  bool done;
  for (int i = 0; i < n; i++) ok(heed_trainer_epoch(h->trainer, &epochs[i], &done));
}

START_TEST(resumed_fits_go_on_bit_for_bit) {
  heed_fit_spec fit = fit_spec();
  for (int kind = HEED_MODEL_GAT; kind <= HEED_MODEL_TRANSFORMER; kind++) {
    heed_epoch straight[20], pieces[20];
    half one = begin(&fit, (heed_model_kind)kind, 5);
    run_epochs(&one, 20, straight);
    half two = begin(&fit, (heed_model_kind)kind, 5);
    run_epochs(&two, 10, pieces);
    ok(heed_trainer_save(two.trainer, path));
    run_epochs(&two, 3, pieces + 10); /* to be forgotten */
    end(&two);
    two = begin(&fit, (heed_model_kind)kind, 5);
    ok(heed_trainer_resume(two.trainer, path));
    run_epochs(&two, 10, pieces + 10);
    ck_assert(straight[0].rate != straight[19].rate); /* the plateau had something to remember */
    for (int i = 0; i < 20; i++) {
      pieces[i].seconds = straight[i].seconds;
      ck_assert_int_eq(straight[i].epoch, pieces[i].epoch);
      ck_assert(straight[i].train_loss == pieces[i].train_loss);
      ck_assert(straight[i].val_loss == pieces[i].val_loss);
      ck_assert(straight[i].val == pieces[i].val);
      ck_assert(straight[i].rate == pieces[i].rate);
      ck_assert(straight[i].best == pieces[i].best);
    }
    check_same(one.model, two.model);
    ck_assert_mem_eq(one.trainer->best_parameters, two.trainer->best_parameters,
                     parameter_bytes(one.model));
    ck_assert_int_eq(one.trainer->at.waited, two.trainer->at.waited);
    heed_run first, second;
    ok(heed_fit(one.trainer, NULL, NULL, &first));
    ok(heed_fit(two.trainer, NULL, NULL, &second));
    ck_assert_int_eq(first.best_epoch, second.best_epoch);
    ck_assert_int_eq(first.epochs, second.epochs);
    ck_assert(first.val_loss == second.val_loss && first.test == second.test);
    check_same(one.model, two.model);
    end(&one);
    end(&two);
  }
}
END_TEST

/* A fit that was saved when it was done has nothing to do but finish. */
START_TEST(finished_fits_resume_too) {
  heed_fit_spec fit = fit_spec();
  fit.epochs = 5;
  heed_epoch epochs[5];
  half one = begin(&fit, HEED_MODEL_GAT, 1);
  fails(heed_trainer_save(one.trainer, path), HEED_ARGUMENT, "no epoch");
  run_epochs(&one, 5, epochs);
  ok(heed_trainer_save(one.trainer, path));
  half two = begin(&fit, HEED_MODEL_GAT, 1);
  ok(heed_trainer_resume(two.trainer, path));
  heed_run first, second;
  ok(heed_trainer_finish(one.trainer, &first));
  ok(heed_fit(two.trainer, NULL, NULL, &second));
  ck_assert_int_eq(second.epochs, 5);
  ck_assert(first.test == second.test);
  check_same(one.model, two.model);
  end(&one);
  end(&two);
}
END_TEST

/* Whole graphs, by a model built by hand: eight nodes each, with a hint in one of them. */
START_TEST(graphs_are_learnt_and_resumed) {
  enum { GRAPHS = 30, EACH = 8, WIDTH = 4, EPOCHS = 60 };
  static float x[GRAPHS * EACH * WIDTH];
  int64_t ptr[GRAPHS + 1];
  int32_t labels[GRAPHS];
  uint8_t train[GRAPHS], rest[GRAPHS];
  heed_random_normal(1, 0, x, GRAPHS * EACH * WIDTH, 0, 1);
  for (int g = 0; g <= GRAPHS; g++) ptr[g] = g * EACH;
  for (int g = 0; g < GRAPHS; g++) {
    labels[g] = g % 3 == 0;
    x[(g * EACH + g % EACH) * WIDTH + 1] += labels[g] != 0 ? 6.0F : 0.0F;
    train[g] = g < 20;
    rest[g] = g >= 20;
  }
  heed_matrix features = heed_matrix_view(x, GRAPHS * EACH, WIDTH);
  heed_task task = {.inputs = {.n_nodes = GRAPHS * EACH,
                               .dense = &features,
                               .n_graphs = GRAPHS,
                               .graph_ptr = ptr},
                    .targets = {labels, NULL},
                    .train = train,
                    .validation = rest,
                    .test = rest};
  heed_fit_spec fit = heed_fit_spec_default();
  fit.epochs = EPOCHS;
  fit.loss = HEED_LOSS_BINARY_CROSS_ENTROPY;
  fit.metric = HEED_METRIC_ROC_AUC;
  fit.optimizer.rate = 0.02F;
  heed_model *models[2];
  heed_run runs[2];
  for (int i = 0; i < 2; i++) {
    heed_model *m;
    heed_trainer *trainer;
    ok(heed_model_new(&m, WIDTH));
    heed_value y = heed_model_linear(m, "one", heed_model_features(m), 8, true);
    y = heed_model_pool(m, heed_model_activate(m, y, HEED_ACTIVATION_RELU), HEED_POOLING_MAX);
    ok(heed_model_finish(m, heed_model_linear(m, "two", y, 1, true), 3));
    ok(heed_trainer_new(&trainer, m, &task, &fit, 1));
    heed_epoch epoch;
    bool done;
    if (i == 1) ok(heed_trainer_resume(trainer, path));
    for (int k = 0; k < 20 && i == 0; k++) ok(heed_trainer_epoch(trainer, &epoch, &done));
    if (i == 0) ok(heed_trainer_save(trainer, path));
    ok(heed_fit(trainer, NULL, NULL, &runs[i]));
    heed_trainer_free(trainer);
    models[i] = m;
  }
  ck_assert_double_gt(runs[0].test, 0.95);
  ck_assert_int_eq(runs[0].best_epoch, runs[1].best_epoch);
  ck_assert(runs[0].val_loss == runs[1].val_loss);
  ck_assert_mem_eq(heed_model_parameters(models[0]), heed_model_parameters(models[1]),
                   parameter_bytes(models[0]));
  heed_model_free(models[0]);
  heed_model_free(models[1]);
}
END_TEST

START_TEST(resume_refuses_another_fit) {
  heed_fit_spec good = fit_spec();
  heed_epoch epochs[3];
  half one = begin(&good, HEED_MODEL_GAT, 1);
  run_epochs(&one, 3, epochs);
  ok(heed_trainer_save(one.trainer, path));
  end(&one);
  static const struct {
    const char *name;
    size_t at;
  } fields[] = {{"rate", offsetof(heed_fit_spec, optimizer.rate)},
                {"beta1", offsetof(heed_fit_spec, optimizer.beta1)},
                {"beta2", offsetof(heed_fit_spec, optimizer.beta2)},
                {"epsilon", offsetof(heed_fit_spec, optimizer.epsilon)},
                {"weight-decay", offsetof(heed_fit_spec, optimizer.weight_decay)},
                {"clip", offsetof(heed_fit_spec, optimizer.clip)},
                {"factor", offsetof(heed_fit_spec, optimizer.factor)}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    heed_fit_spec fit = good;
    *(float *)(void *)((char *)&fit + fields[i].at) *= 0.75F;
    half two = begin(&fit, HEED_MODEL_GAT, 1);
    fails(heed_trainer_resume(two.trainer, path), HEED_ARGUMENT, fields[i].name);
    ck_assert_int_eq(two.trainer->at.epoch, 0);
    end(&two);
  }
  heed_fit_spec fit = good;
  fit.epochs++;
  half two = begin(&fit, HEED_MODEL_GAT, 1);
  fails(heed_trainer_resume(two.trainer, path), HEED_ARGUMENT, "epochs 40, this one 41");
  end(&two);
  fit = good;
  fit.metric = HEED_METRIC_MCC;
  two = begin(&fit, HEED_MODEL_GAT, 1);
  fails(heed_trainer_resume(two.trainer, path), HEED_ARGUMENT, "metric accuracy, this one mcc");
  end(&two);
  two = begin(&good, HEED_MODEL_GAT, 2);
  fails(heed_trainer_resume(two.trainer, path), HEED_ARGUMENT, "seed 1, this one 2");
  end(&two);
  two = begin(&good, HEED_MODEL_GATV2, 1);
  fails(heed_trainer_resume(two.trainer, path), HEED_ARGUMENT, "'kind=gat', this one 'kind=gatv2'");
  /* A model is not a fit in progress, nor the other way round. */
  heed_model *again;
  fails(heed_model_load(&again, path), HEED_SHAPE, "numbers");
  ok(heed_model_save(two.model, path, NULL));
  fails(heed_trainer_resume(two.trainer, path), HEED_FORMAT, "heed.fit");
  end(&two);
}
END_TEST

START_TEST(resume_refuses_hostile_files) {
  heed_fit_spec fit = fit_spec();
  heed_epoch epochs[4];
  char other[160], progress[1024], fit_text[1024], model_text[1024];
  snprintf(other, sizeof other, "%s/other.safetensors", folder);
  half one = begin(&fit, HEED_MODEL_GATV2, 1);
  run_epochs(&one, 4, epochs);
  ok(heed_trainer_save(one.trainer, path));
  heed_safetensors *file;
  ok(heed_safetensors_open(&file, path));
  strcpy(progress, heed_safetensors_metadata(file, "heed.progress"));
  strcpy(fit_text, heed_safetensors_metadata(file, "heed.fit"));
  strcpy(model_text, heed_safetensors_metadata(file, "heed.model"));
  heed_safetensors_close(file);
  const char *metadata[] = {"heed.model",    model_text, "heed.fit", fit_text,
                            "heed.progress", progress,   NULL};
  size_t bytes = parameter_bytes(one.model);
  float *before = malloc(bytes);
  memcpy(before, heed_model_parameters(one.model), bytes);
  const char *const tensors[] = {"optimizer.m", "optimizer.v", "best.parameters", "best.state",
                                 "conv1.att"};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    rewrite(path, other, metadata, tensors[i], true);
    fails(heed_trainer_resume(one.trainer, other), HEED_FORMAT, tensors[i]);
  }
  static const struct {
    const char *from, *to;
  } edits[] = {{"epoch=4", "epoch=0"},        {"epoch=4", "epoch=400"},
               {"epoch=4", "epoch=four"},     {"epoch=4", "epoch=+4"},
               {"epoch=4", "wpoch=4"},        {"waited=", "waited=-"},
               {"steps=4", "steps=5"},        {"rate=0x", "rate=0xz"},
               {"rate=0x", "rate=0x7"},       {"steps=4", "steps=99999999999999999999"},
               {"seconds=0x", "seconds=0xff"}};
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char edited[1200];
    const char *place = strstr(progress, edits[i].from);
    ck_assert_ptr_nonnull(place);
    snprintf(edited, sizeof edited, "%.*s%s%s", (int)(place - progress), progress, edits[i].to,
             place + strlen(edits[i].from));
    metadata[5] = edited;
    rewrite(path, other, metadata, NULL, false);
    fails(heed_trainer_resume(one.trainer, other), HEED_FORMAT, "heed.progress");
  }
  metadata[5] = progress;
  metadata[3] = "seed=1";
  rewrite(path, other, metadata, NULL, false);
  fails(heed_trainer_resume(one.trainer, other), HEED_FORMAT, "loss");
  ck_assert_int_eq(one.trainer->at.epoch, 4);
  ck_assert_mem_eq(before, heed_model_parameters(one.model), bytes);
  metadata[3] = fit_text;
  rewrite(path, other, metadata, NULL, false);
  ok(heed_trainer_resume(one.trainer, other));
  size_t held = heed_memory_held();
  for (long n = 0;; n++) {
    heed__alloc_fail_after(n);
    heed_status status = heed_trainer_resume(one.trainer, path);
    heed__alloc_fail_after(-1);
    ck_assert_uint_eq(heed_memory_held(), held);
    if (status == HEED_OK) break;
    ck_assert_int_eq(status, HEED_NOMEM);
  }
  free(before);
  end(&one);
}
END_TEST

/* A child saves two models in turn until it is killed; whatever is there is one of them, whole. */
START_TEST(killed_while_saving) {
  ok(heed_set_threads(1)); /* OpenMP's threads do not survive a fork */
  heed_model *models[2] = {new_model(HEED_MODEL_GAT, 1), new_model(HEED_MODEL_GAT, 2)};
  ok(heed_model_save(models[0], path, NULL));
  int found[2] = {0, 0};
  unsigned random = 12345;
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
      for (int k = 0;; k++) {
        if (heed_model_save(models[(k + i) % 2], path, NULL) != HEED_OK) _exit(1);
      }
    }
    random = random * 1103515245U + 12345U;
    usleep(500 + random / 65536 % 12000);
    int status;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    heed_model *again;
    ok(heed_model_load(&again, path));
    size_t bytes = parameter_bytes(again);
    bool first = memcmp(heed_model_parameters(again), heed_model_parameters(models[0]), bytes) == 0;
    if (!first) {
      ck_assert_mem_eq(heed_model_parameters(again), heed_model_parameters(models[1]), bytes);
    }
    found[first ? 0 : 1]++;
    heed_model_free(again);
  }
  ck_assert_int_gt(found[0], 0);
  ck_assert_int_gt(found[1], 0);
  heed_model_free(models[0]);
  heed_model_free(models[1]);
}
END_TEST

TCase *checkpoint_tests(void) {
  TCase *tests = tcase_create("checkpoint");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, set_up, take_down);
  tcase_add_test(tests, models_come_back);
  tcase_add_test(tests, weights_have_pytorchs_shape);
  tcase_add_test(tests, save_refuses_what_makes_no_sense);
  tcase_add_test(tests, load_refuses_hostile_files);
  tcase_add_test(tests, resumed_fits_go_on_bit_for_bit);
  tcase_add_test(tests, finished_fits_resume_too);
  tcase_add_test(tests, graphs_are_learnt_and_resumed);
  tcase_add_test(tests, resume_refuses_another_fit);
  tcase_add_test(tests, resume_refuses_hostile_files);
  tcase_add_test(tests, killed_while_saving);
  return tests;
}
