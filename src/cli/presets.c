/* Presets: the settings of papers, as options of `heed train` without their dashes. What a preset
 * does not say is the default. */
#include <string.h>

#include "cli/learn.h"

/* Velickovic et al., "Graph attention networks", ICLR 2018, section 3.3 (transductive learning):
 * two layers, 8 heads of 8 features, then one head a class (Pubmed: 8 output heads, averaged); ELU,
 * dropout 0.6 of inputs and weights, L2 0.0005 (Pubmed: 0.001), Adam at 0.005 (Pubmed: 0.01), early
 * stopping on loss and accuracy with a patience of 100 epochs. The limit of 100,000 epochs and the
 * division of each bag of words by its sum are those of the authors' code. */
#define GAT_PAPER                                                                               \
  "layers=2 hidden=64 heads=8 dropout=0.6 attn-dropout=0.6 activation=elu slope=0.2 norm=none " \
  "residual=no optimizer=adam schedule=constant epochs=100000 patience=100 watch=both "         \
  "features=row-normalize metric=accuracy "
#define GAT_SMALL GAT_PAPER "output-heads=1 lr=0.005 weight-decay=0.0005 "
#define GAT_PUBMED GAT_PAPER "output-heads=8 lr=0.01 weight-decay=0.001 "

/* Platonov et al., "A critical look at the evaluation of GNNs under heterophily", ICLR 2023,
 * section 5 and appendix: hidden 512, 8 heads, layer norm before each module, GELU, dropout 0.2 but
 * none of attention weights, AdamW at 0.00003 without decay, 1000 steps, the best by validation; 1
 * to 5 layers, of which 3 is our choice; ROC AUC where there are two classes, else accuracy. */
#define HETEROPHILOUS                                                                 \
  "layers=3 hidden=512 heads=8 norm=layer pre-norm=yes residual=yes activation=gelu " \
  "expansion=1 dropout=0.2 attn-dropout=0 optimizer=adamw lr=0.00003 weight-decay=0 " \
  "schedule=constant epochs=1000 patience=0 watch=metric metric=auto "

/* Buterez et al., "An end-to-end attention-based approach for learning on graphs", Nature
 * Communications 2025 (node-set attention). The paper's: masked (M) and self-attention (S) blocks
 * in turn, layer norm before each module, AdamW, early stopping on validation. The sizes, which the
 * paper searches for each data set, are our choice, small enough for the graphs of a few thousand
 * nodes: hidden 128, 8 heads, two masked blocks and a full one, rate 0.0005, dropout 0.3. */
#define NODE_SET                                                                       \
  "blocks=MMS hidden=128 heads=8 norm=layer pre-norm=yes activation=gelu expansion=2 " \
  "dropout=0.3 attn-dropout=0.1 optimizer=adamw lr=0.0005 weight-decay=0.01 clip=1 "   \
  "schedule=constant epochs=1000 patience=100 watch=metric metric=auto "

/* Whole graphs. GRAPHS is where every training on a collection starts from, with a preset or
 * without one; what the presets below say beside it did best by validation in short searches of
 * ours: few tries, two seeds or ten folds. */
#define GRAPHS                                                                         \
  "hidden=64 heads=4 dropout=0.1 attn-dropout=0 norm=layer pre-norm=yes residual=yes " \
  "activation=gelu expansion=2 optimizer=adamw lr=0.001 weight-decay=0.01 clip=1 "     \
  "schedule=cosine warmup=5 epochs=100 patience=0 watch=metric metric=auto batch=64"

const char *const cli_graphs_settings = GRAPHS;

#define ESOL_TARGET "measured log solubility in mols per litre"
#define TOX21_TARGETS                                                                         \
  "NR-AR,NR-AR-LBD,NR-AhR,NR-Aromatase,NR-ER,NR-ER-LBD,NR-PPAR-gamma,SR-ARE,SR-ATAD5,SR-HSE," \
  "SR-MMP,SR-p53"

static const cli_preset_entry presets[] = {
    {"gat-cora", "model=gat " GAT_SMALL, false, NULL, HEED_TARGET_NONE},
    {"gat-citeseer", "model=gat " GAT_SMALL, false, NULL, HEED_TARGET_NONE},
    {"gat-pubmed", "model=gat " GAT_PUBMED, false, NULL, HEED_TARGET_NONE},
    {"gatv2-cora", "model=gatv2 " GAT_SMALL, false, NULL, HEED_TARGET_NONE},
    {"gatv2-citeseer", "model=gatv2 " GAT_SMALL, false, NULL, HEED_TARGET_NONE},
    {"gatv2-pubmed", "model=gatv2 " GAT_PUBMED, false, NULL, HEED_TARGET_NONE},
    {"graph-transformer", "model=transformer blocks=M " HETEROPHILOUS, false, NULL,
     HEED_TARGET_NONE},
    {"gat-heterophilous", "model=gat " HETEROPHILOUS, false, NULL, HEED_TARGET_NONE},
    {"gat", "model=gat " HETEROPHILOUS, false, NULL, HEED_TARGET_NONE},
    {"nsa", "model=transformer " NODE_SET, false, NULL, HEED_TARGET_NONE},
    {"esol", "model=transformer blocks=MMMM pooling=sum dropout=0 batch=32 split=random", true,
     ESOL_TARGET, HEED_TARGET_NUMBER},
    {"tox21", "model=transformer blocks=MMMP epochs=15 split=random", true, TOX21_TARGETS,
     HEED_TARGET_BINARY},
    {"mutag",
     "model=transformer blocks=MMM pooling=mean hidden=32 lr=0.003 batch=16 watch=loss "
     "split=folds folds=10",
     true, NULL, HEED_TARGET_CLASS},
    {"proteins", "model=transformer blocks=MSMP hidden=32 batch=32 epochs=20 split=folds folds=10",
     true, NULL, HEED_TARGET_CLASS},
};

const cli_preset_entry *cli_preset(const char *name) {
  for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
    if (strcmp(presets[i].name, name) == 0) return &presets[i];
  }
  return NULL;
}

const char *cli_preset_name(int index) {
  return index < (int)(sizeof presets / sizeof *presets) ? presets[index].name : NULL;
}
