# Room model: layers and whole models over attention.
heedinclude_HEADERS += include/heed/model.h
