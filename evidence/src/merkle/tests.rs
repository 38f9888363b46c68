use super::*;
use crate::proof::{ProofError, verify_consistency, verify_inclusion};
use proptest::prelude::*;
use std::collections::HashMap;

/// A tree kept whole in memory, grown through [`Frontier`].
struct Tree {
    nodes: HashMap<Node, Digest>,
    roots: Vec<Digest>,
    leaves: Vec<Digest>,
}

fn tree(leaves: impl IntoIterator<Item = Vec<u8>>) -> Tree {
    let mut frontier = Frontier::default();
    let mut tree = Tree { nodes: HashMap::new(), roots: vec![frontier.root()], leaves: vec![] };
    for leaf in leaves {
        let hash = leaf_hash(&leaf);
        tree.leaves.push(hash);
        tree.nodes.extend(frontier.append(hash));
        tree.roots.push(frontier.root());
    }
    tree
}

impl Tree {
    fn inclusion(&self, index: u64, size: u64) -> Vec<Digest> {
        let plan = inclusion_plan(index, size).expect("in the tree");
        plan.resolve(|node| self.nodes.get(&node).copied()).expect("nodes")
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Digest> {
        let plan = consistency_plan(old, new).expect("grown");
        plan.resolve(|node| self.nodes.get(&node).copied()).expect("nodes")
    }
}

fn numbered(n: usize) -> Tree {
    tree((0..n).map(|i| format!("leaf {i}").into_bytes()))
}

/// The test vectors published with RFC 6962 implementations: eight leaves, roots of each size.
#[test]
fn roots_are_those_of_the_rfc_6962_vectors() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let tree = tree(leaves.iter().map(|leaf| hex::decode(leaf).expect("hex")));
    assert_eq!(
        tree.roots[0].to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(tree.roots[size + 1].to_string(), *root, "size {}", size + 1);
    }
    // PATH(0, D[8]) and PROOF(6, D[8]) of the same vectors.
    let path: Vec<_> = tree.inclusion(0, 8).iter().map(Digest::to_string).collect();
    assert_eq!(
        path,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    let proof: Vec<_> = tree.consistency(6, 8).iter().map(Digest::to_string).collect();
    assert_eq!(
        proof,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn every_proof_of_every_small_tree_verifies_and_none_fits_elsewhere() {
    const N: u64 = 33;
    let tree = numbered(N as usize);
    for size in 1..=N {
        let root = tree.roots[size as usize];
        for index in 0..size {
            let leaf = &tree.leaves[index as usize];
            let proof = tree.inclusion(index, size);
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err());
            }
            let longer = [proof.as_slice(), &[Digest::of(b"more")]].concat();
            assert!(verify_inclusion(leaf, index, size, &longer, &root).is_err());
        }
        for old in 1..=size {
            let proof = tree.consistency(old, size);
            let old_root = &tree.roots[old as usize];
            assert_eq!(verify_consistency(old, old_root, size, &root, &proof), Ok(()));
            let forged = Digest::of(b"another history");
            assert!(verify_consistency(old, &forged, size, &root, &proof).is_err());
            if old < size {
                assert!(verify_consistency(old, old_root, size, &forged, &proof).is_err());
            }
        }
    }
    assert!(inclusion_plan(3, 3).is_none());
    assert!(consistency_plan(0, 3).is_none() && consistency_plan(4, 3).is_none());
}

/// Two implementations by other people: `tlog_tiles` makes proofs, `sigstore-merkle` checks ours.
mod against_others {
    use super::*;
    use sigstore_merkle::{hash_leaf, verify_consistency_proof, verify_inclusion_proof};
    use std::cell::RefCell;
    use tlog_tiles::{Hash, HashReader, prove_record, prove_tree, stored_hashes, tree_hash};

    struct Stored(RefCell<Vec<Hash>>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|i| self.0.borrow()[*i as usize]).collect())
        }
    }

    fn stored(leaves: &[Vec<u8>]) -> Stored {
        let stored = Stored(RefCell::new(vec![]));
        for (n, leaf) in leaves.iter().enumerate() {
            let hashes = stored_hashes(n as u64, leaf, &stored).expect("hashes");
            stored.0.borrow_mut().extend(hashes);
        }
        stored
    }

    fn ours(hashes: &[Hash]) -> Vec<Digest> {
        hashes.iter().map(|hash| Digest(hash.0)).collect()
    }

    fn theirs(hashes: &[Digest]) -> Vec<sigstore_types::Sha256Hash> {
        hashes.iter().map(|hash| sigstore_types::Sha256Hash::new(hash.0)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn both_make_the_same_roots_and_proofs(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..300),
            a in any::<proptest::sample::Index>(),
            b in any::<proptest::sample::Index>(),
        ) {
            let tree = tree(leaves.clone());
            let stored = stored(&leaves);
            let size = leaves.len() as u64;
            let index = a.index(leaves.len()) as u64;
            let old = b.index(leaves.len()) as u64 + 1;
            let root = tree.roots[leaves.len()];
            prop_assert_eq!(Digest(tree_hash(size, &stored).expect("root").0), root);

            let inclusion = tree.inclusion(index, size);
            prop_assert_eq!(&ours(&prove_record(size, index, &stored).expect("proof")), &inclusion);
            let leaf = hash_leaf(&leaves[index as usize]);
            prop_assert!(verify_inclusion_proof(
                &leaf, index, size, &theirs(&inclusion), &theirs(&[root])[0]).is_ok());

            let consistency = tree.consistency(old, size);
            prop_assert_eq!(&ours(&prove_tree(size, old, &stored).expect("proof")), &consistency);
            let (from, to) = (theirs(&[tree.roots[old as usize]])[0], theirs(&[root])[0]);
            prop_assert!(verify_consistency_proof(old, size, &theirs(&consistency), &from, &to).is_ok());
        }
    }
}

#[test]
fn a_frontier_from_storage_goes_on_where_it_stopped() {
    let mut whole = Frontier::default();
    for i in 0..100u32 {
        let stored = Frontier::from_parts(whole.size(), whole.peaks().to_vec()).expect("fits");
        assert_eq!(stored, whole);
        whole.append(leaf_hash(&i.to_be_bytes()));
    }
    assert!(Frontier::from_parts(3, vec![Digest::of(b"one")]).is_none());
    assert_eq!(
        verify_inclusion(&Digest::of(b""), 0, 0, &[], &empty_root()),
        Err(ProofError::Shape)
    );
}
