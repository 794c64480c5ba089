# What a collection is: TUDataset, with classes and with numbers; a list of graph files.
. "$LIB"
tudataset RINGS 12 edges
"$HEED" info RINGS --masks graph,khop:2,full,none | sed '/^threads/d;/^instruction/d'
"$HEED" info RINGS --edge-set --json - | mask_json | sed -n '/"graphs"/,/"sizes"/p'
rm RINGS/RINGS_graph_labels.txt
awk 'BEGIN { for (g = 1; g <= 12; g++) print g / 4 ", " g * g }' > RINGS/RINGS_graph_attributes.txt
"$HEED" info RINGS | sed -n '/^targets/,/^$/p'
mkdir list
for i in 1 2 3; do printf '1 2\n2 3\n3 %d\n' $i > list/$i.edges; done
printf '1.edges\tyes\n2.edges\tno\n3.edges\n' > list/graphs.tsv
"$HEED" info list | sed '/^threads/d;/^instruction/d;/^masks/,/^$/d'
