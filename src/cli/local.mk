# Room cli: the command, one file a subcommand, public headers only.
bin_PROGRAMS += heed
heed_SOURCES = \
  src/cli/main.c src/cli/cli.h \
  src/cli/options.c src/cli/inputs.c src/cli/mask.c src/cli/heads.c src/cli/measure.c src/cli/output.c src/cli/reorder.c \
  src/cli/learn.h src/cli/as_trained.c src/cli/settings.h src/cli/settings.c src/cli/training.c src/cli/presets.c \
  src/cli/task.c src/cli/encoding.c src/cli/collection.c src/cli/experiment.c \
  src/cli/cmd_info.c src/cli/cmd_attend.c \
  src/cli/compare.h src/cli/compare_kernels.c src/cli/compare_masks.c src/cli/cmd_compare.c \
  src/cli/compare_train.c src/cli/cmd_train.c src/cli/cmd_predict.c src/cli/cmd_demo.c \
  src/cli/draw.h src/cli/draw_graph.c src/cli/draw_attention.c src/cli/cmd_draw.c \
  src/cli/info_collection.c src/cli/predict_collection.c \
  src/cli/bench.h src/cli/bench_graph.c src/cli/bench_run.c src/cli/bench_report.c src/cli/bench_curve.c \
  src/cli/cmd_bench.c
heed_CPPFLAGS = -I$(top_srcdir)/include -I$(top_srcdir)/src $(IGRAPH_CFLAGS)
heed_LDADD = libheed.la $(IGRAPH_LIBS)

dist_man1_MANS = doc/heed.1

# Shells look the completion up by the name of the command.
bashcompletiondir = $(datadir)/bash-completion/completions
bashcompletion_DATA = src/cli/completions/heed
EXTRA_DIST += src/cli/heed.bash-completion
CLEANFILES += src/cli/completions/heed
src/cli/completions/heed: src/cli/heed.bash-completion
	$(AM_V_GEN)$(MKDIR_P) src/cli/completions && \
	  cp $(top_srcdir)/src/cli/heed.bash-completion $@
