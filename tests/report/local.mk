# Tests of room report.
check_PROGRAMS += tests/report/test_report
TESTS += tests/report/test_report
tests_report_test_report_SOURCES = tests/report/test_report.c tests/folder.h
tests_report_test_report_CPPFLAGS = $(TEST_CPPFLAGS)
tests_report_test_report_LDADD = $(TEST_LIBS)

check_PROGRAMS += tests/report/test_figure
TESTS += tests/report/test_figure
tests_report_test_figure_SOURCES = tests/report/test_figure.c tests/report/svg.h tests/folder.h
tests_report_test_figure_CPPFLAGS = $(TEST_CPPFLAGS)
tests_report_test_figure_LDADD = $(TEST_LIBS)
if GNUPLOT
tests_report_test_figure_CPPFLAGS += -DHEED_TEST_GNUPLOT
endif

check_PROGRAMS += tests/report/test_drawing
TESTS += tests/report/test_drawing
tests_report_test_drawing_SOURCES = tests/report/test_drawing.c tests/report/svg.h tests/folder.h
tests_report_test_drawing_CPPFLAGS = $(TEST_CPPFLAGS)
tests_report_test_drawing_LDADD = $(TEST_LIBS)
if GRAPHVIZ
tests_report_test_drawing_CPPFLAGS += -DHEED_TEST_GRAPHVIZ
endif
